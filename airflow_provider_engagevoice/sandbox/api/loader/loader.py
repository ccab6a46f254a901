"""Handlers of the lead loader: direct loads and file loads. Sources: contract; guide, bulk import."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.api.admin.records import path_id
from airflow_provider_engagevoice.sandbox.api.loader.load_files import (
    file_leads,
    parse_columns,
    pop_file,
    preview_body,
    store_file,
)
from airflow_provider_engagevoice.sandbox.api.loader.load_leads import Load, Target
from airflow_provider_engagevoice.sandbox.api.loader.load_options import (
    REQUIRED,
    REQUIRED_OF_FILES,
    LoadFailed,
    LoadOptions,
    parse_options,
)
from airflow_provider_engagevoice.sandbox.api.loader.load_results import (
    GENERAL_FAILURE,
    Counts,
    failure_message,
    load_failure,
    load_result,
)
from airflow_provider_engagevoice.sandbox.api.uploads.multipart import parse_upload
from airflow_provider_engagevoice.sandbox.api.uploads.tables import parse_format, read_table
from airflow_provider_engagevoice.sandbox.http.endpoint import json_response
from airflow_provider_engagevoice.sandbox.http.errors import ApiError, InvalidValue, validation_error
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state import credentials
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState


def direct_load(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST campaigns/{campaign}/leadLoader/direct``: insert leads into a new list in one transaction.

    A load that fails as a whole is 200 as well; ``processingStatus`` holds the failure (observed).
    """
    with sandbox.store.reading() as connection:
        _target(connection, request)
    body = request.json_object()
    leads = _leads(body)
    try:
        options = parse_options(body, REQUIRED, sandbox.settings.loader_defaults)
    except LoadFailed as failure:
        return json_response(load_failure(GENERAL_FAILURE, str(failure), Counts(len(leads))))
    with sandbox.store.changing() as connection:
        counts = _load(sandbox, request, connection, options).run(leads)
    return json_response(load_result(counts, options))


def preview_load(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST .../leadLoader/preview``: 201, a preview of a file, and the ``transactionId`` to process it.

    The file's format is given in the query (contract) or in fields of the body (observed).
    """
    fields, upload = parse_upload(request)
    table_format = parse_format(request, fields)
    pages = read_table(upload, table_format)
    with sandbox.store.changing() as connection:
        target = _target(connection, request)
        transaction = store_file(
            connection, target.account, target.campaign, pages, sandbox.clock.milliseconds()
        )
    return json_response(preview_body(transaction, pages), 201)


def process_load(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST .../leadLoader/process``: 202 without a body; the file is loaded synchronously.

    The result is stored in the list: ``leadsSupplied``, ``leadsAccepted``, ``result`` and ``message``
    (assumed). A failed load creates a list without leads (assumed).
    """
    body = request.json_object()
    columns = parse_columns(body, sandbox.settings.column_base)
    now = sandbox.clock.milliseconds()
    with sandbox.store.changing() as connection:
        target = _target(connection, request)
        pages = pop_file(connection, target.account, target.campaign, columns.transaction, now)
        _process(sandbox, request, connection, body, file_leads(pages, columns))
    return Response(status_code=202)


def _process(
    sandbox: SandboxState,
    request: ApiRequest,
    connection: sqlite3.Connection,
    body: dict[str, object],
    leads: Sequence[object],
) -> None:
    """Load the leads of a file; if the load fails, create an empty list that holds the failure."""
    try:
        options = parse_options(body, REQUIRED_OF_FILES, sandbox.settings.loader_defaults)
    except LoadFailed as failure:
        load = _load(sandbox, request, connection, parse_options(body, (), use_defaults=True))
        load.add_list(Counts(len(leads)), "Failed", failure_message(str(failure)))
        return
    load = _load(sandbox, request, connection, options)
    counts = load.run(leads)
    if not counts.accepted:
        load.add_list(counts, "Failed", failure_message())


def _load(
    sandbox: SandboxState, request: ApiRequest, connection: sqlite3.Connection, options: LoadOptions
) -> Load:
    """Return the load of a request."""
    return Load(
        connection,
        _target(connection, request),
        options,
        sandbox.settings,
        sandbox.clock.milliseconds(),
    )


def _target(connection: sqlite3.Connection, request: ApiRequest) -> Target:
    """Return the campaign in the path as the target, or raise 404."""
    account = request.path_params["account"]
    found = connection.execute(
        "SELECT campaignId, maxPasses, dncScrubOption FROM campaigns JOIN dial_groups USING (dialGroupId)"
        " WHERE campaignId = ? AND accountId = ?",
        (path_id(request, "campaign"), account),
    ).fetchone()
    if found is None:
        raise ApiError(404)
    # The permanent token identifies no user; the sandbox has a single user.
    return Target(
        account, found["campaignId"], found["maxPasses"], found["dncScrubOption"], credentials.USER_NAME
    )


def _leads(body: dict[str, object]) -> list[object]:
    """Return ``uploadLeads``; an empty list if it is missing."""
    leads = body.get("uploadLeads")
    if leads is None:
        return []
    if not isinstance(leads, list):
        raise validation_error([InvalidValue("uploadLeads", "must be a list")])
    return leads
