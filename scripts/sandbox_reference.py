"""Write the README's table of the sandbox's choices from the code."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from airflow_provider_engagevoice.sandbox.fidelity import ASSUMPTIONS
from airflow_provider_engagevoice.sandbox.settings import Settings

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- choices: scripts/sandbox_reference.py -->\n", "<!-- /choices -->\n"


def table() -> str:
    lines = ["| | behaviour | default | switch | from |", "|---|---|---|---|---|"]
    for assumption in ASSUMPTIONS:
        switches = ", ".join(_switch(name) for name in assumption.settings)
        confidence = assumption.confidence.value
        cells = (str(assumption.number), assumption.subject, assumption.default, switches, confidence)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    before, rest = text.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


def _switch(name: str) -> str:
    setting = next(each for each in fields(Settings) if each.name == name)
    return f"`{name}` ({_shown(setting.default)})"


def _shown(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


if __name__ == "__main__":
    README.write_text(with_table(README.read_text()))
