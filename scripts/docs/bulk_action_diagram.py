"""Write docs/bulk-action.svg: the sequence diagram of one bulk action, for docs/architecture.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "bulk-action.svg"

PARTICIPANTS = ("Operator", "Bulk runner", "Checkpoint store", "Rate limiter", "RingCX")
_TASK, _RUNNER, _STORE, _LIMITER, _RINGCX = range(len(PARTICIPANTS))

_FIRST, _GAP, _WIDTH = 66, 138, 684
_BOX = (130, 34)
_ROW = 40


@dataclass(frozen=True)
class Message:
    """An arrow from one participant to another, or a note if both are the same.

    :param source: number of the participant that sends it.
    :param target: number of the participant that receives it.
    :param text: what it says.
    :param reply: it answers an earlier message.
    """

    source: int
    target: int
    text: str
    reply: bool = False


@dataclass(frozen=True)
class Frame:
    """The begin of a group of messages, with a label; the end if the label is empty.

    :param label: what the group is.
    """

    label: str = ""


STEPS: tuple[Message | Frame, ...] = (
    Message(_TASK, _TASK, "render templates, build the selection"),
    Message(_TASK, _STORE, "open the checkpoint"),
    Message(_TASK, _RUNNER, "run the action"),
    Message(_RUNNER, _STORE, "load the checkpoint"),
    Message(_STORE, _RUNNER, "resume point, if any", reply=True),
    Frame("for each chunk of ids, several at a time"),
    Message(_RUNNER, _RINGCX, "count the leads"),
    Message(_RINGCX, _RUNNER, "number; if 0, the chunk is done", reply=True),
    Message(_RUNNER, _LIMITER, "reserve a slot"),
    Message(_LIMITER, _RUNNER, "wait until the slot", reply=True),
    Message(_RUNNER, _STORE, "save: in flight"),
    Message(_RUNNER, _RINGCX, "PUT campaignLeads/actions"),
    Message(_RINGCX, _RUNNER, "result, or a failure for the retry policy", reply=True),
    Message(_RUNNER, _STORE, "save: chunk done"),
    Frame(),
    Message(_RUNNER, _RINGCX, "verify: count leads not in the expected state"),
    Message(_RUNNER, _STORE, "save: finished"),
    Message(_RUNNER, _TASK, "counts", reply=True),
    Message(_TASK, _TASK, "log the result, return it as XCom"),
)

_STYLE = """
  text { font: 12.5px system-ui, sans-serif; fill: #1f2933; }
  .name { font-weight: 600; text-anchor: middle; }
  .box { fill: #eef2ff; stroke: #4f5bd5; rx: 5; }
  .life { stroke: #9aa5b1; stroke-dasharray: 4 4; }
  .arrow { stroke: #1f2933; stroke-width: 1.3; fill: none; }
  .reply { stroke-dasharray: 6 4; }
  .frame { fill: none; stroke: #4f5bd5; rx: 4; }
  .note { fill: #fff7e0; stroke: #d9a400; rx: 4; }
  .label { font-style: italic; }
"""


def diagram() -> str:
    """Return the diagram as SVG."""
    height = 84 + _ROW * len(STEPS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" role="img">',
        "<title>One bulk action: operator, bulk runner, checkpoint store, rate limiter and RingCX</title>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="#1f2933"/></marker></defs>',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        *_participants(height),
        *_steps(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _x(participant: int) -> int:
    return _FIRST + _GAP * participant


def _participants(height: int) -> Iterator[str]:
    width, box = _BOX
    for number, name in enumerate(PARTICIPANTS):
        x = _x(number)
        yield f'<line class="life" x1="{x}" y1="{box + 10}" x2="{x}" y2="{height - 10}"/>'
        yield f'<rect class="box" x="{x - width // 2}" y="10" width="{width}" height="{box}"/>'
        yield f'<text class="name" x="{x}" y="32">{escape(name)}</text>'


def _steps() -> Iterator[str]:
    top = 0
    for row, step in enumerate(STEPS):
        y = 84 + _ROW * row
        if isinstance(step, Message):
            yield from _message(step, y)
        elif step.label:
            top = y
            yield f'<text class="label" x="{_x(_RUNNER) - 56}" y="{y + 4}">{escape(step.label)}</text>'
        else:
            x = _x(_RUNNER) - 64
            yield (
                f'<rect class="frame" x="{x}" y="{top - 18}" width="{_x(_RINGCX) + 40 - x}" '
                f'height="{y - top + 10}"/>'
            )


def _message(step: Message, y: int) -> Iterator[str]:
    start, end = _x(step.source), _x(step.target)
    text = escape(step.text)
    if start == end:
        yield f'<rect class="note" x="{start - 62}" y="{y - 16}" width="240" height="28"/>'
        yield f'<text x="{start - 54}" y="{y + 3}">{text}</text>'
        return
    kind = "arrow reply" if step.reply else "arrow"
    sign = 1 if end > start else -1
    yield f'<text x="{min(start, end) + 9}" y="{y - 6}">{text}</text>'
    yield f'<path class="{kind}" d="M{start + 2 * sign},{y} L{end - 3 * sign},{y}" marker-end="url(#tip)"/>'


if __name__ == "__main__":
    PAGE.write_text(diagram())
