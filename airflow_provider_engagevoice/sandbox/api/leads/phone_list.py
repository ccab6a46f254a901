"""Search of leads by a list of phone numbers."""

from __future__ import annotations

import csv

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.api.leads.query import (
    Condition,
    all_of,
    check_length,
    conditions_of,
    having_numbers,
)
from airflow_provider_engagevoice.sandbox.api.leads.search_routes import answer_page
from airflow_provider_engagevoice.sandbox.api.loader.multipart import file_of
from airflow_provider_engagevoice.sandbox.http.endpoint import Call
from airflow_provider_engagevoice.sandbox.http.errors import Invalid, read_or_refuse, refused_values
from airflow_provider_engagevoice.sandbox.http.parsing import read_list, read_text
from airflow_provider_engagevoice.sandbox.state.phones import phone_digits
from airflow_provider_engagevoice.sandbox.state.sandbox import Service

#: What spreadsheets put between the columns of a text file.
_DELIMITERS = ",;\t|"


def phone_list_search(service: Service, call: Call) -> Response:
    """``POST campaignLeads/leadSearchByPhoneList``: an array of rows, as a search has. Source: contract.

    The numbers come as JSON ``{"phoneList": [...], "campaignIds": [...]}`` (guide), or as a file (contract).
    Without a number nothing matches (assumed).
    """
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        numbers, campaigns = _in_file(call), Condition("1")
    else:
        numbers, campaigns = _in_json(service, call)
    try:
        check_length(numbers, service.settings.id_cap)
    except ValueError as error:
        raise refused_values([Invalid.of("phoneList", error, numbers)]) from error
    in_account = Condition("l.accountId = ?", (call.captured["account"],))
    return answer_page(service, call, all_of([in_account, campaigns, having_numbers(numbers)]))


def _in_json(service: Service, call: Call) -> tuple[list[str], Condition]:
    """Read the numbers and the campaigns of a JSON body; other properties are ignored (assumed)."""
    body = call.json_object()
    given = body.get("phoneList")
    numbers = [] if given is None else read_or_refuse("phoneList", given, read_list(read_text))
    criteria = {name: body.get(name) for name in ("campaignId", "campaignIds")}
    # The numbers are a filter already.
    settings = service.behaving(strict_criteria=False).settings
    return numbers, conditions_of(criteria, call.captured["account"], settings)


def _in_file(call: Call) -> list[str]:
    """Read the numbers of a file: one in a line, or the first column of a table (assumed).

    What has no digits, such as a header, is left out.
    """
    _, file = file_of(call)
    try:
        text = file.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refused_values([Invalid("file", "must be a text in UTF-8")]) from error
    lines = text.splitlines()
    delimiter = next((mark for mark in _DELIMITERS if lines and mark in lines[0]), ",")
    try:
        cells = [row[0] for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error as error:
        raise refused_values([Invalid("file", f"is neither a list nor a table: {error}")]) from error
    return [cell for cell in cells if phone_digits(cell)]
