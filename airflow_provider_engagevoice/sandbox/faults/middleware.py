"""Middleware that injects the faults of matching rules into requests."""

from __future__ import annotations

from functools import partial
from typing import cast

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.faults.base import Fault, NextHandler
from airflow_provider_engagevoice.sandbox.http.endpoint import Handler, handle
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState


def inject_faults(handler: Handler) -> Handler:
    """Wrap a handler in the faults whose rules match the request; the oldest rule is outermost."""

    def with_faults(sandbox: SandboxState, request: ApiRequest) -> Response:
        params = {**request.path_params, **request.query}
        rules = sandbox.fault_rules.match(request.operation, params, sandbox.clock.now())
        if not rules:
            return handler(sandbox, request)
        request.log_fields["fault"] = ", ".join(rule.kind for rule in rules)

        def call_next(sandbox: SandboxState) -> Response:
            return handle(sandbox, handler, request)

        for rule in reversed(rules):
            call_next = partial(_apply, cast("Fault", rule.fault), call_next, request)
        return call_next(sandbox)

    return with_faults


def _apply(fault: Fault, call_next: NextHandler, request: ApiRequest, sandbox: SandboxState) -> Response:
    """Apply one fault."""
    return fault.apply(call_next, sandbox, request)
