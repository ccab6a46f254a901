"""Takes requests to load leads: directly, and from files. Sources: contract; guide, bulk import."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.api.admin.records import id_in_path
from airflow_provider_engagevoice.sandbox.api.loader.load_files import (
    keep,
    leads_of,
    preview_of,
    read_columns,
    take,
)
from airflow_provider_engagevoice.sandbox.api.loader.load_leads import Load, Target
from airflow_provider_engagevoice.sandbox.api.loader.load_options import (
    REQUIRED,
    REQUIRED_OF_FILES,
    LoadFailed,
    LoadOptions,
    read_options,
)
from airflow_provider_engagevoice.sandbox.api.loader.load_results import (
    GENERAL_FAILURE,
    Counts,
    failure_message,
    failure_of,
    result_of,
)
from airflow_provider_engagevoice.sandbox.api.loader.multipart import file_of
from airflow_provider_engagevoice.sandbox.api.loader.tables import read_form, read_table
from airflow_provider_engagevoice.sandbox.http.endpoint import Call, answer
from airflow_provider_engagevoice.sandbox.http.errors import Invalid, Refusal, refused_values
from airflow_provider_engagevoice.sandbox.state import credentials
from airflow_provider_engagevoice.sandbox.state.sandbox import Service


def direct_load(service: Service, call: Call) -> Response:
    """``POST campaigns/{campaign}/leadLoader/direct``: leads go to a new list, all in one transaction.

    What fails as a whole is 200 as well, and ``processingStatus`` tells it (observed).
    """
    with service.store.reading() as connection:
        _target(connection, call)
    body = call.json_object()
    leads = _leads(body)
    try:
        options = read_options(body, REQUIRED, service.settings.loader_defaults)
    except LoadFailed as failure:
        return answer(failure_of(GENERAL_FAILURE, str(failure), Counts(len(leads))))
    with service.store.changing() as connection:
        counts = _load(service, call, connection, options).run(leads)
    return answer(result_of(counts, options))


def preview_load(service: Service, call: Call) -> Response:
    """``POST .../leadLoader/preview``: 201, what a file holds, and a ``transactionId`` to load it by.

    The form of the file is in the query (contract), or among the parts of the body (observed).
    """
    fields, upload = file_of(call)
    form = read_form(call, fields)
    pages = read_table(upload, form)
    with service.store.changing() as connection:
        target = _target(connection, call)
        transaction = keep(connection, target.account, target.campaign, pages, service.clock.milliseconds())
    return answer(preview_of(transaction, pages), 201)


def process_load(service: Service, call: Call) -> Response:
    """``POST .../leadLoader/process``: 202 without a body, and the file is loaded at once.

    What the answer cannot tell is at the list: ``leadsSupplied``, ``leadsAccepted``, ``result`` and
    ``message`` (assumed). A load that fails leaves a list without leads (assumed).
    """
    body = call.json_object()
    columns = read_columns(body, service.settings.column_base)
    now = service.clock.milliseconds()
    with service.store.changing() as connection:
        target = _target(connection, call)
        pages = take(connection, target.account, target.campaign, columns.transaction, now)
        _process(service, call, connection, body, leads_of(pages, columns))
    return Response(status_code=202)


def _process(
    service: Service,
    call: Call,
    connection: sqlite3.Connection,
    body: dict[str, object],
    leads: Sequence[object],
) -> None:
    """Load the leads of a file; where that fails, leave a list that says so."""
    try:
        options = read_options(body, REQUIRED_OF_FILES, service.settings.loader_defaults)
    except LoadFailed as failure:
        load = _load(service, call, connection, read_options(body, (), use_defaults=True))
        load.add_list(Counts(len(leads)), "Failed", failure_message(str(failure)))
        return
    load = _load(service, call, connection, options)
    counts = load.run(leads)
    if not counts.accepted:
        load.add_list(counts, "Failed", failure_message())


def _load(service: Service, call: Call, connection: sqlite3.Connection, options: LoadOptions) -> Load:
    """Make the load of a request."""
    return Load(
        connection,
        _target(connection, call),
        options,
        service.settings.dnc_scrubbed,
        service.clock.milliseconds(),
    )


def _target(connection: sqlite3.Connection, call: Call) -> Target:
    """Read the campaign of the path, or refuse with 404."""
    account = call.captured["account"]
    found = connection.execute(
        "SELECT campaignId, maxPasses, dncScrubOption FROM campaigns JOIN dial_groups USING (dialGroupId)"
        " WHERE campaignId = ? AND accountId = ?",
        (id_in_path(call, "campaign"), account),
    ).fetchone()
    if found is None:
        raise Refusal(404)
    # Who asks is not known: the permanent token is nobody's in particular, and there is one user only.
    return Target(
        account, found["campaignId"], found["maxPasses"], found["dncScrubOption"], credentials.USER_NAME
    )


def _leads(body: dict[str, object]) -> list[object]:
    """Read ``uploadLeads``; without it there are none."""
    leads = body.get("uploadLeads")
    if leads is None:
        return []
    if not isinstance(leads, list):
        raise refused_values([Invalid("uploadLeads", "must be a list")])
    return leads
