"""Run the DAG of one file in real Airflow and write what became of its tasks as JSON.

Usage: run_dag.py DAG_FILE RESULT_FILE. Needs a fresh AIRFLOW_HOME in the environment.
"""

from __future__ import annotations

import json
import logging
import os
import runpy
import sys
from pathlib import Path


def main(dag_file: Path, result_file: Path) -> None:
    # Airflow reads its settings once, on import. Version 3 runs only DAGs from its DAGs folder.
    os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(dag_file.parent)
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    from airflow import __version__
    from airflow.utils.db import initdb

    root = logging.getLogger()
    level = root.level
    initdb()
    root.setLevel(level)  # Alembic sets up logging of its own, and the tasks' lines would be lost.
    dag = next(v for v in runpy.run_path(str(dag_file)).values() if type(v).__name__ == "DAG")
    run = dag.test()
    tasks = [
        {"task_id": ti.task_id, "state": str(ti.state)}
        for ti in sorted(run.get_task_instances(), key=lambda ti: str(ti.start_date))
    ]
    state = str(getattr(run.state, "value", run.state))
    result_file.write_text(json.dumps({"airflow": __version__, "state": state, "tasks": tasks}))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
