"""A real Airflow cluster (Celery, Redis, PostgreSQL) on this machine, in a temporary folder."""
