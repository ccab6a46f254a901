"""A real Airflow with Celery, Redis and PostgreSQL on this machine, in a temporary folder."""
