"""The documentation describes what the code does."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.criteria import KINDS
from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS
from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS
from airflow_provider_engagevoice.sandbox.fidelity import ASSUMPTIONS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def generator(name: str) -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "docs" / f"{name}.py"))


def test_lead_actions_page_is_up_to_date():
    made = generator("lead_actions")
    assert made["PAGE"].read_text() == made["page"](), "run scripts/docs/lead_actions.py"
    assert all(f"`{name}`" in made["page"]() for name in ACTIONS)


def test_sandbox_fidelity_page_is_up_to_date():
    made = generator("sandbox_fidelity")
    assert made["PAGE"].read_text() == made["page"](), "run scripts/docs/sandbox_fidelity.py"
    assert all(f"| {each.number} | {each.subject} |" in made["page"]() for each in ASSUMPTIONS)


def test_every_assumption_of_the_sandbox_has_a_test():
    marks = "".join(
        mark + " "
        for path in sorted((ROOT / "tests" / "sandbox").rglob("test_*.py"))
        for mark in re.findall(r"mark\.assumption\(([\d, ]+)\)", path.read_text())
    )
    shown = {int(number) for number in re.findall(r"\d+", marks)}
    assert {each.number for each in ASSUMPTIONS} - shown == set()


def test_retry_semantics_page_is_up_to_date():
    made = generator("retry_matrix")
    assert made["PAGE"].read_text() == made["page"](), "run scripts/docs/retry_matrix.py"
    assert all(f"| `{name}`" in made["page"]() for name in ACTIONS)


def test_search_criteria_page_is_up_to_date():
    made = generator("search_criteria")
    assert made["PAGE"].read_text() == made["page"](), "run scripts/docs/search_criteria.py"
    assert all(f"| `{key}` |" in made["page"]() for key in KINDS)


def test_rate_limits_table_is_up_to_date():
    made = generator("rate_limits")
    text = made["PAGE"].read_text()
    assert text == made["with_table"](text), "run scripts/docs/rate_limits.py"
    assert all(f"| `{name}` |" in text for name in LIMITS)


def test_bulk_action_diagram_is_up_to_date():
    made = generator("bulk_action_diagram")
    assert made["PAGE"].read_text() == made["diagram"](), "run scripts/docs/bulk_action_diagram.py"


def test_readme_has_at_most_250_lines():
    assert len(README.splitlines()) <= 250


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_files_and_headings(page: Path):
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text()))
    assert targets or page.name != "README.md"
    missing = []
    for target in targets:
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            missing.append(target)
    assert missing == []


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.*)$", without_code(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def blocks(page: Path, *, with_the_fixture: bool) -> list[str]:
    """Return a page's Python: the tests in it, which use the fixture, or everything else."""
    found = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    return [block for block in found if ("ringcx_sandbox" in block) == with_the_fixture]


WITH_PYTHON = [page for page in PAGES if blocks(page, with_the_fixture=False)]
WITH_TESTS = [page for page in PAGES if blocks(page, with_the_fixture=True)]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_of_the_pages_runs(page: Path, airflow_db, ringcx_sandbox):
    for block in blocks(page, with_the_fixture=False):
        exec(compile(block, page.name, "exec"), {"__name__": "documentation"})


def test_readme_has_python_to_run():
    assert len(blocks(ROOT / "README.md", with_the_fixture=False)) >= 4
    assert {page.name for page in WITH_TESTS} >= {"README.md", "testing.md"}


@pytest.mark.timeout(300)
def test_tests_of_the_pages_pass_without_further_commands(tmp_path):
    count = 0
    for page in WITH_TESTS:
        # One module per page; the marker and imports of one block must not matter to another.
        tests = "".join(blocks(page, with_the_fixture=True))
        (tmp_path / f"test_{page.stem.replace('-', '_').lower()}.py").write_text(tests)
        count += tests.count("def test_")
    (tmp_path / "dags").mkdir()
    shutil.copy(ROOT / "example_dags" / "move_and_email.py", tmp_path / "dags")
    settings = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    settings |= {
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        cwd=tmp_path,
        env=settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{count} passed" in done.stdout
    # The user's own database is not touched.
    assert not (tmp_path / "home" / "airflow.db").exists()
