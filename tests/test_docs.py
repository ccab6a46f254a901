"""What the documents say is what the code does."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from airflow_provider_engagevoice.ringcx.actions import ACTIONS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_the_reference_of_actions_is_up_to_date():
    made = runpy.run_path(str(ROOT / "scripts" / "action_reference.py"))
    assert made["PAGE"].read_text() == made["page"](), "run scripts/action_reference.py"
    assert all(f"`{name}`" in made["page"]() for name in ACTIONS)


def test_the_links_of_the_readme_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    missing = [target for target in targets if "://" not in target and not (ROOT / target).exists()]
    assert missing == []


def test_the_python_of_the_readme_runs(sandbox):
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
