"""Run the DAG of a file in real Airflow and write the states of its tasks to a JSON file.

Usage: run_dag.py DAG_FILE RESULT_FILE. AIRFLOW_HOME must be set to an empty folder.
"""

from __future__ import annotations

import json
import logging
import os
import runpy
import sys
from pathlib import Path


def main(dag_file: Path, result_file: Path) -> None:
    """Run the DAG.

    :param dag_file: file with one DAG.
    :param result_file: file for the result: Airflow's version, the state of the run, and the states of its
        tasks in the order in which they started.
    """
    # Airflow reads its settings once, on import. Airflow 3 runs only DAGs in its DAGs folder.
    os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(dag_file.parent)
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    from airflow import __version__
    from airflow.utils.db import initdb

    root = logging.getLogger()
    level = root.level
    initdb()
    # Alembic raises the level of the root logger, which would suppress the logs of the tasks.
    root.setLevel(level)
    dag = next(value for value in runpy.run_path(str(dag_file)).values() if type(value).__name__ == "DAG")
    run = dag.test()
    tasks = [
        {"task_id": ti.task_id, "state": str(ti.state)}
        for ti in sorted(run.get_task_instances(), key=lambda ti: str(ti.start_date))
    ]
    state = str(getattr(run.state, "value", run.state))
    result_file.write_text(json.dumps({"airflow": __version__, "state": state, "tasks": tasks}))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
