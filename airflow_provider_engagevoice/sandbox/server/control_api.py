"""Control API of a running sandbox below ``/sandbox/``: faults, clock, reset, request log, settings."""

from __future__ import annotations

from dataclasses import asdict

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.faults.commands import set_fault
from airflow_provider_engagevoice.sandbox.http.endpoint import json_response
from airflow_provider_engagevoice.sandbox.http.errors import ApiError
from airflow_provider_engagevoice.sandbox.http.parsing import parse_integer
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState
from airflow_provider_engagevoice.sandbox.state.seed_data import SeedDataError


def post_fault(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST /sandbox/faults``: add a fault rule; 201 and the rule."""
    try:
        return json_response(set_fault(sandbox, request.json_object()), 201)
    except ValueError as error:
        raise ApiError(400, str(error)) from error


def get_faults(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET /sandbox/faults``: list the active fault rules."""
    return json_response(sandbox.fault_rules.as_list(sandbox.clock.now()))


def delete_fault(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``DELETE /sandbox/faults/{number}``: remove a fault rule; 404 if it does not exist."""
    try:
        existed = sandbox.fault_rules.remove(parse_integer(request.path_params["number"]))
    except ValueError as error:
        raise ApiError(404) from error
    if not existed:
        raise ApiError(404)
    return json_response({})


def delete_faults(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``DELETE /sandbox/faults``: remove all fault rules."""
    sandbox.fault_rules.clear()
    return json_response([])


def post_clock(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST /sandbox/clock`` with ``{"advance": seconds}``: advance the sandbox's clock."""
    seconds = request.json_object().get("advance")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= 10**9:
        raise ApiError(400, "advance must be a number of seconds between 0 and 1000000000")
    try:
        sandbox.clock.advance(seconds)
    except ValueError as error:
        raise ApiError(400, str(error)) from error
    return json_response({"now": sandbox.clock.now()})


def post_reset(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST /sandbox/reset``: restore the initial state; 409 if the seed data cannot be loaded."""
    try:
        sandbox.reset()
    except SeedDataError as error:
        raise ApiError(409, str(error)) from error
    return json_response({})


def get_requests(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET /sandbox/requests``: return the request log."""
    return json_response([asdict(record) for record in sandbox.log.records()])


def get_settings(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET /sandbox/settings``: return the settings of this sandbox."""
    return json_response(asdict(sandbox.settings))
