"""The RingCX client: knows nothing of Airflow, usable from a notebook.

Facts about the service carry their source: *guide* is RingCentral's Lead Actions and Lead Search
guides, *contract* its published OpenAPI document, *observed* what public programs that run against
the service show.
"""
