"""Apache Airflow provider for RingCentral RingCX (formerly Engage Voice)."""

__version__ = "0.1.0"
