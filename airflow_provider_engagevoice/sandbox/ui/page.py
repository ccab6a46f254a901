"""Dashboard at ``/``: state of the sandbox, and forms to change it. It works without JavaScript."""

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
from airflow_provider_engagevoice.sandbox.faults.commands import set_fault
from airflow_provider_engagevoice.sandbox.faults.registry import HTTP_FAULT_KINDS
from airflow_provider_engagevoice.sandbox.http.endpoint import Handler
from airflow_provider_engagevoice.sandbox.http.errors import ApiError
from airflow_provider_engagevoice.sandbox.http.parsing import parse_integer
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.outbox import list_mails
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState
from airflow_provider_engagevoice.sandbox.state.seed_data import SeedDataError
from airflow_provider_engagevoice.sandbox.ui import activity, connect, data, faults
from airflow_provider_engagevoice.sandbox.ui.lead_states import STATE_GROUPS, group_of
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

#: Messages of completed actions.
_DONE = {
    "fault": "Fault set.",
    "clear": "Fault cleared.",
    "clear_all": "All faults cleared.",
    "clock": "Clock advanced.",
    "reset": "All data reset.",
}


class Page:
    """The dashboard of a sandbox."""

    def __init__(self) -> None:
        self._counts = data.LeadCounts()

    def routes(self) -> Iterator[tuple[str, str, Handler]]:
        """Yield method, path and handler of each of the page's routes."""
        yield "GET", "/", self.show
        yield "GET", "/sandbox/static/{file}", static
        yield "POST", "/sandbox/page/fault", self._form_handler("fault", _set_fault)
        yield "POST", "/sandbox/page/fault/clear", self._form_handler("clear", _clear_fault)
        yield "POST", "/sandbox/page/faults/clear", self._form_handler("clear_all", _clear_faults)
        yield "POST", "/sandbox/page/clock", self._form_handler("clock", _advance)
        yield "POST", "/sandbox/page/reset", self._form_handler("reset", _reset)

    def show(self, sandbox: SandboxState, request: ApiRequest) -> Response:
        """``GET /``: the page."""
        return self._page(sandbox, request, _DONE.get(View.from_query(request.query).done, ""), 200)

    def _form_handler(self, done: str, change: Callable[[SandboxState, Mapping[str, str]], None]) -> Handler:
        """Return the handler of a form: it redirects to the page, or shows the error with status 400."""

        def post(sandbox: SandboxState, request: ApiRequest) -> Response:
            form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
            try:
                change(sandbox, form)
            except ValueError as error:
                return self._page(sandbox, request, f"Failed: {error}.", 400)
            return RedirectResponse(f"/{View.from_query(request.query).query(done=done)}", 303)

        return post

    def _page(self, sandbox: SandboxState, request: ApiRequest, message: str, status: int) -> Response:
        """Render the page."""
        started = time.perf_counter()
        view = View.from_query(request.query)
        parts = {**self._data(sandbox, view), **_activity(sandbox, view), **_fault_form(view)}
        address = f"http://{request.headers.get('host', '')}"
        parts["connections"] = connect.connection_examples(address)
        # The script polls less often if this takes long.
        took = (time.perf_counter() - started) * 1000
        content = _template().render(
            view=view, message=message, failed=status >= 400, address=address, took=f"{took:.0f}", **parts
        )
        return HTMLResponse(content, status)

    def _data(self, sandbox: SandboxState, view: View) -> dict[str, Any]:
        """Return the template variables read from the database."""
        with sandbox.store.reading() as connection:
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
                "mails": list_mails(connection)[::-1],
                "states": sorted({*LEAD_STATES, *states} - {""}),
            }


def static(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET /sandbox/static/{file}``: style sheet, script or icon."""
    name = request.path_params["file"]
    if name not in _STATIC:
        raise ApiError(404)
    return Response((_FILES / "static" / name).read_bytes(), headers={"Content-Type": _STATIC[name]})


def _activity(sandbox: SandboxState, view: View) -> dict[str, Any]:
    """Return the template variables of requests, clock, settings and fault rules."""
    now = sandbox.clock.milliseconds()
    return {
        "now": now,
        "ahead": sandbox.clock.offset,
        "steps": _STEPS,
        "settings": sandbox.settings,
        "switched": _changed_settings(sandbox.settings),
        "requests": activity.request_rows(sandbox, view.errors),
        "meters": activity.meters(sandbox),
        "rules": sandbox.fault_rules.as_list(sandbox.clock.now()),
    }


def _fault_form(view: View) -> dict[str, Any]:
    """Return the template variables of the fault form."""
    kinds = HTTP_FAULT_KINDS
    kind = view.kind if view.kind in kinds else kinds[0]
    return {
        "kinds": kinds,
        "kind": kind,
        "inputs": faults.inputs(kind),
        "rule_inputs": faults.rule_inputs(),
        "operations": faults.operation_choices(),
        "actions": faults.action_choices(),
    }


def _changed_settings(settings: Settings) -> list[tuple[str, Any]]:
    """Return the settings that differ from their defaults, except those shown elsewhere."""
    return [
        (each.name, getattr(settings, each.name))
        for each in fields(settings)
        if getattr(settings, each.name) != each.default and each.name not in ("seed", "size", "limits")
    ]


def _set_fault(sandbox: SandboxState, form: Mapping[str, str]) -> None:
    """Set a fault from the form."""
    set_fault(sandbox, faults.parse_form(form))


def _clear_fault(sandbox: SandboxState, form: Mapping[str, str]) -> None:
    """Clear one fault; do nothing if it does not exist."""
    try:
        number = parse_integer(form.get("number"))
    except ValueError as error:
        raise ValueError(f"number {error}") from error
    sandbox.fault_rules.remove(number)


def _clear_faults(sandbox: SandboxState, form: Mapping[str, str]) -> None:
    """Clear all faults."""
    sandbox.fault_rules.clear()


def _advance(sandbox: SandboxState, form: Mapping[str, str]) -> None:
    """Advance the clock by one of the page's steps."""
    seconds = form.get("advance", "")
    if seconds not in {str(step) for _, step in _STEPS}:
        raise ValueError(f"advance must be one of {', '.join(str(step) for _, step in _STEPS)}")
    sandbox.clock.advance(float(seconds))


def _reset(sandbox: SandboxState, form: Mapping[str, str]) -> None:
    """Reset all data."""
    try:
        sandbox.reset()
    except SeedDataError as error:
        raise ValueError(str(error)) from error


@functools.lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    """Load the page's template on first use, so that the sandbox starts faster."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FILES / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["datetime"] = activity.format_datetime_short
    environment.filters["duration"] = activity.format_duration
    environment.filters["group_of"] = group_of
    environment.filters["describe"] = faults.describe
    environment.globals.update(
        state_groups=STATE_GROUPS, presets=faults.PRESETS, rule_labels=faults.RULE_LABELS
    )
    return environment.get_template("page.html")
