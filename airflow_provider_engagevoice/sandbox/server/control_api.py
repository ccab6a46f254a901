"""The switches of a running sandbox over HTTP, below ``/sandbox/``: faults, clock, log, outbox, reset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from reprlib import repr as shown
from typing import Any

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.api.routes import names
from airflow_provider_engagevoice.sandbox.faults.middleware import read_rule
from airflow_provider_engagevoice.sandbox.http.endpoint import Call, answer
from airflow_provider_engagevoice.sandbox.http.errors import Refusal
from airflow_provider_engagevoice.sandbox.http.parsing import read_integer
from airflow_provider_engagevoice.sandbox.seed.world import WorldError
from airflow_provider_engagevoice.sandbox.state.sandbox import Service


def set_fault(service: Service, asked: Mapping[str, Any], *, trusted: bool = False) -> dict[str, Any]:
    """Let requests go wrong from now on.

    :param service: the sandbox.
    :param asked: the kind of fault, which requests meet it, and its options.
    :param trusted: asked in Python, where an option may be a function.
    :return: the rule that was set.
    :raises ValueError: an entry is missing, unknown or wrong; the message names it.
    """
    rule = read_rule(asked, trusted=trusted)
    known = names()
    if rule.operation not in known | {"*"}:
        raise ValueError(
            f"operation must be one of *, {', '.join(sorted(known))}, not {shown(rule.operation)}"
        )
    rule.fault.prepare(service)
    service.rules.add(rule, service.clock.now())
    return rule.as_dict()


def post_fault(service: Service, call: Call) -> Response:
    """``POST /sandbox/faults``: 201 and the rule."""
    try:
        return answer(set_fault(service, call.json_object()), 201)
    except ValueError as error:
        raise Refusal(400, str(error)) from error


def get_faults(service: Service, call: Call) -> Response:
    """``GET /sandbox/faults``: the rules still in force."""
    return answer(service.rules.as_list(service.clock.now()))


def delete_fault(service: Service, call: Call) -> Response:
    """``DELETE /sandbox/faults/{number}``: this rule is not in force any more; 404 where it was not."""
    try:
        found = service.rules.drop(read_integer(call.captured["number"]))
    except ValueError as error:
        raise Refusal(404) from error
    if not found:
        raise Refusal(404)
    return answer({})


def delete_faults(service: Service, call: Call) -> Response:
    """``DELETE /sandbox/faults``: nothing goes wrong any more."""
    service.rules.forget()
    return answer([])


def post_clock(service: Service, call: Call) -> Response:
    """``POST /sandbox/clock`` with ``{"advance": seconds}``: moves the sandbox's clock on."""
    seconds = call.json_object().get("advance")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= 10**9:
        raise Refusal(400, "advance must be a number of seconds between 0 and 1000000000")
    try:
        service.clock.advance(seconds)
    except ValueError as error:
        raise Refusal(400, str(error)) from error
    return answer({"now": service.clock.now()})


def post_reset(service: Service, call: Call) -> Response:
    """``POST /sandbox/reset``: the world as it was at the start; 409 where it cannot be made any more."""
    try:
        service.reset()
    except WorldError as error:
        raise Refusal(409, str(error)) from error
    return answer({})


def get_requests(service: Service, call: Call) -> Response:
    """``GET /sandbox/requests``: the log of requests."""
    return answer([asdict(record) for record in service.log.records()])


def get_settings(service: Service, call: Call) -> Response:
    """``GET /sandbox/settings``: the switches of this sandbox."""
    return answer(asdict(service.settings))
