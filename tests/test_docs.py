"""What the documents say is what the code does."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS
from airflow_provider_engagevoice.sandbox.fidelity import ASSUMPTIONS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_the_reference_of_actions_is_up_to_date():
    made = runpy.run_path(str(ROOT / "scripts" / "action_reference.py"))
    assert made["PAGE"].read_text() == made["page"](), "run scripts/action_reference.py"
    assert all(f"`{name}`" in made["page"]() for name in ACTIONS)


def test_the_table_of_the_sandbox_s_choices_is_up_to_date():
    made = runpy.run_path(str(ROOT / "scripts" / "sandbox_reference.py"))
    assert made["with_table"](README) == README, "run scripts/sandbox_reference.py"
    assert all(f"| {assumption.number} | {assumption.subject} |" in README for assumption in ASSUMPTIONS)


def test_every_choice_of_the_sandbox_is_shown_by_a_test():
    marks = "".join(
        mark + " "
        for path in sorted((ROOT / "tests" / "sandbox").rglob("test_*.py"))
        for mark in re.findall(r"mark\.assumption\(([\d, ]+)\)", path.read_text())
    )
    shown = {int(number) for number in re.findall(r"\d+", marks)}
    assert {assumption.number for assumption in ASSUMPTIONS} - shown == set()


def test_the_table_of_repeats_is_up_to_date():
    made = runpy.run_path(str(ROOT / "scripts" / "repeat_table.py"))
    assert made["PAGE"].read_text() == made["page"](), "run scripts/repeat_table.py"
    assert all(f"| `{name}`" in made["page"]() for name in ACTIONS)


def test_the_links_of_the_readme_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    missing = [target for target in targets if "://" not in target and not (ROOT / target).exists()]
    assert missing == []


def blocks(*, with_the_fixture: bool) -> list[str]:
    """The README's Python: the tests in it, which have the fixture, or all the rest."""
    found = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    return [block for block in found if ("ringcx_sandbox" in block) == with_the_fixture]


def test_the_python_of_the_readme_runs(airflow_db, ringcx_sandbox):
    assert len(blocks(with_the_fixture=False)) >= 4
    for block in blocks(with_the_fixture=False):
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.timeout(300)
def test_the_tests_of_the_readme_pass_after_the_commands_it_names(tmp_path):
    tests = "".join(blocks(with_the_fixture=True))
    (tmp_path / "test_readme.py").write_text(tests)
    (tmp_path / "dags").mkdir()
    shutil.copy(ROOT / "example_dags" / "move_and_email.py", tmp_path / "dags")
    settings = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    settings |= {"AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert "airflow db migrate" in README
    for command in (["airflow", "db", "migrate"], ["pytest", "-q"]):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            env=settings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert f"{tests.count('def test_')} passed" in done.stdout
