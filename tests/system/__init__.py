"""System tests against a real Airflow cluster; not collected by pytest."""
