"""The sandbox's page at ``/``: what goes on, and buttons to change that. It works without script."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.responses import HTMLResponse, RedirectResponse, Response

from airflow_provider_engagevoice.ringcx.spec.enums import LEAD_STATES
from airflow_provider_engagevoice.sandbox.faults.registry import FROM_OUTSIDE
from airflow_provider_engagevoice.sandbox.http.endpoint import Call, Handler
from airflow_provider_engagevoice.sandbox.http.errors import Refusal
from airflow_provider_engagevoice.sandbox.http.parsing import read_integer
from airflow_provider_engagevoice.sandbox.seed.world import WorldError
from airflow_provider_engagevoice.sandbox.server.control_api import set_fault
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.sandbox import Service
from airflow_provider_engagevoice.sandbox.ui import activity, data, faults
from airflow_provider_engagevoice.sandbox.ui.lead_states import STATE_GROUPS, group_of
from airflow_provider_engagevoice.sandbox.ui.outbox import mails
from airflow_provider_engagevoice.sandbox.ui.view import View

if TYPE_CHECKING:
    import jinja2

_FILES = Path(__file__).parent
_STATIC = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_STEPS = (("1 min", 60), ("5 min", 300), ("1 h", 3600))

#: What the page says when something has been done.
_DONE = {
    "fault": "The fault is set.",
    "clear": "The fault is cleared.",
    "clear_all": "All faults are cleared.",
    "clock": "The sandbox's clock was moved on.",
    "reset": "The world is as it was at the start.",
}


class Page:
    """The page of one sandbox."""

    def __init__(self) -> None:
        self._counts = data.LeadCounts()

    def routes(self) -> Iterator[tuple[str, str, Handler]]:
        """Return method, path and handler of everything the page consists of."""
        yield "GET", "/", self.show
        yield "GET", "/sandbox/static/{file}", static
        yield "POST", "/sandbox/page/fault", self._posting("fault", _set_fault)
        yield "POST", "/sandbox/page/fault/clear", self._posting("clear", _clear_fault)
        yield "POST", "/sandbox/page/faults/clear", self._posting("clear_all", _clear_faults)
        yield "POST", "/sandbox/page/clock", self._posting("clock", _advance)
        yield "POST", "/sandbox/page/reset", self._posting("reset", _reset)

    def show(self, service: Service, call: Call) -> Response:
        """``GET /``: the page."""
        return self._page(service, call, _DONE.get(View.of(call.query).done, ""), 200)

    def _posting(self, done: str, change: Callable[[Service, Mapping[str, str]], None]) -> Handler:
        """Make the handler of a form: it goes back to the page, or shows there what was wrong."""

        def post(service: Service, call: Call) -> Response:
            form = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
            try:
                change(service, form)
            except ValueError as error:
                return self._page(service, call, f"Not done: {error}.", 400)
            return RedirectResponse(f"/{View.of(call.query).query(done=done)}", 303)

        return post

    def _page(self, service: Service, call: Call, message: str, status: int) -> Response:
        """Write the page."""
        started = time.perf_counter()
        view = View.of(call.query)
        parts = {**self._data(service, view), **_activity(service, view), **_fault_form(view)}
        address = f"http://{call.headers.get('host', '')}"
        # The script asks again later where this takes long.
        took = (time.perf_counter() - started) * 1000
        content = _template().render(
            view=view, message=message, failed=status >= 400, address=address, took=f"{took:.0f}", **parts
        )
        return HTMLResponse(content, status)

    def _data(self, service: Service, view: View) -> dict[str, Any]:
        """Read what the page shows of the data."""
        with service.store.reading() as connection:
            counts = self._counts.read(connection)
            groups = data.dial_groups(connection, counts)
            states = {state for each in counts.values() for state in each}
            campaigns = [row for group in groups for row in group.campaigns]
            return {
                "groups": groups,
                "total": sum(sum(states.values()) for states in counts.values()),
                "chosen": next((row for row in campaigns if row.id == view.campaign and row.id), None),
                "lists": [] if view.campaign is None else data.lists(connection, view.campaign),
                "recent": data.recent_leads(connection, view, counts),
                "mails": mails(connection)[::-1],
                "states": sorted({*LEAD_STATES, *states} - {""}),
            }


def static(service: Service, call: Call) -> Response:
    """``GET /sandbox/static/{file}``: style, script or icon."""
    name = call.captured["file"]
    if name not in _STATIC:
        raise Refusal(404)
    return Response((_FILES / "static" / name).read_bytes(), headers={"Content-Type": _STATIC[name]})


def _activity(service: Service, view: View) -> dict[str, Any]:
    """Collect what the page shows of the requests, the clock and the settings."""
    now = service.clock.milliseconds()
    return {
        "now": now,
        "ahead": service.clock.ahead,
        "steps": _STEPS,
        "settings": service.settings,
        "switched": _switched(service.settings),
        "requests": activity.request_rows(service, view.errors),
        "meters": activity.meters(service),
        "rules": service.rules.as_list(service.clock.now()),
    }


def _fault_form(view: View) -> dict[str, Any]:
    """Collect what the form for faults offers."""
    kinds = FROM_OUTSIDE
    kind = view.kind if view.kind in kinds else kinds[0]
    return {
        "kinds": kinds,
        "kind": kind,
        "inputs": faults.inputs(kind),
        "rule_inputs": faults.rule_inputs(),
        "operations": faults.operation_choices(),
        "actions": faults.action_choices(),
    }


def _switched(settings: Settings) -> list[tuple[str, Any]]:
    """Return the settings that are not at their default; those shown elsewhere aside."""
    return [
        (each.name, getattr(settings, each.name))
        for each in fields(settings)
        if getattr(settings, each.name) != each.default and each.name not in ("seed", "size", "limits")
    ]


def _set_fault(service: Service, form: Mapping[str, str]) -> None:
    """Set the fault that the form describes."""
    set_fault(service, faults.read_form(form))


def _clear_fault(service: Service, form: Mapping[str, str]) -> None:
    """Clear one fault; that it is gone already is what was wanted."""
    try:
        number = read_integer(form.get("number"))
    except ValueError as error:
        raise ValueError(f"the number of the fault {error}") from error
    service.rules.drop(number)


def _clear_faults(service: Service, form: Mapping[str, str]) -> None:
    """Clear all faults."""
    service.rules.forget()


def _advance(service: Service, form: Mapping[str, str]) -> None:
    """Move the clock on by one of the steps the page offers."""
    seconds = form.get("advance", "")
    if seconds not in {str(step) for _, step in _STEPS}:
        raise ValueError("the clock moves by the steps of its buttons")
    service.clock.advance(float(seconds))


def _reset(service: Service, form: Mapping[str, str]) -> None:
    """Return to the world as it was at the start."""
    try:
        service.reset()
    except WorldError as error:
        raise ValueError(str(error)) from error


@functools.lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    """Read the page's template, when it is first needed: a sandbox without visitors starts faster."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FILES / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["moment"] = activity.print_moment_short
    environment.filters["span"] = activity.print_span
    environment.filters["group_of"] = group_of
    environment.filters["describe"] = faults.describe
    environment.globals.update(
        state_groups=STATE_GROUPS, presets=faults.PRESETS, rule_labels=faults.RULE_LABELS
    )
    return environment.get_template("page.html")
