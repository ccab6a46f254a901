"""Handler of lead search by a list of phone numbers."""

from __future__ import annotations

import csv

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.api.leads.query import (
    Condition,
    all_of,
    build_condition,
    check_length,
    with_phone_numbers,
)
from airflow_provider_engagevoice.sandbox.api.leads.search_routes import search_response
from airflow_provider_engagevoice.sandbox.api.uploads.multipart import parse_upload
from airflow_provider_engagevoice.sandbox.http.errors import InvalidValue, parse_field, validation_error
from airflow_provider_engagevoice.sandbox.http.parsing import list_parser, parse_text
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state.phones import phone_digits
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState

#: Column delimiters that spreadsheets write.
_DELIMITERS = ",;\t|"


def phone_list_search(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST campaignLeads/leadSearchByPhoneList``: an array of rows, as in a search. Source: contract.

    The body is JSON ``{"phoneList": [...], "campaignIds": [...]}`` (guide) or a file upload (contract).
    Without a number nothing matches (assumed).
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        numbers, campaigns = _in_file(request), Condition("1")
    else:
        numbers, campaigns = _in_json(sandbox, request)
    try:
        check_length(numbers, sandbox.settings.id_cap)
    except ValueError as error:
        raise validation_error([InvalidValue.of("phoneList", error, numbers)]) from error
    require_account = Condition("l.accountId = ?", (request.path_params["account"],))
    return search_response(
        sandbox, request, all_of([require_account, campaigns, with_phone_numbers(numbers)])
    )


def _in_json(sandbox: SandboxState, request: ApiRequest) -> tuple[list[str], Condition]:
    """Parse the numbers and the campaigns of a JSON body; other properties are ignored (assumed)."""
    body = request.json_object()
    value = body.get("phoneList")
    numbers = [] if value is None else parse_field("phoneList", value, list_parser(parse_text))
    criteria = {name: body.get(name) for name in ("campaignId", "campaignIds")}
    # The numbers already satisfy strict_criteria.
    settings = sandbox.with_settings(strict_criteria=False).settings
    return numbers, build_condition(criteria, request.path_params["account"], settings)


def _in_file(request: ApiRequest) -> list[str]:
    """Parse the numbers of a file: one per line, or the first column of a table (assumed).

    Cells without digits, such as a header, are skipped.
    """
    _, file = parse_upload(request)
    try:
        text = file.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise validation_error([InvalidValue("file", "must be UTF-8 text")]) from error
    lines = text.splitlines()
    delimiter = next((delimiter for delimiter in _DELIMITERS if lines and delimiter in lines[0]), ",")
    try:
        cells = [row[0] for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error as error:
        raise validation_error(
            [InvalidValue("file", f"must be a list of phone numbers or a table: {error}")]
        ) from error
    return [cell for cell in cells if phone_digits(cell)]
