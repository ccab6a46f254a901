"""Hooks: an Airflow connection turned into a ready RingCX client."""
