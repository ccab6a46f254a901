"""Outbox of EMAIL_LEADS: the mails and the ZIP files that they link to."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator

from starlette.responses import PlainTextResponse, Response

from airflow_provider_engagevoice.sandbox.http.endpoint import json_response
from airflow_provider_engagevoice.sandbox.http.errors import ApiError
from airflow_provider_engagevoice.sandbox.http.parsing import parse_integer
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.http.timestamps import format_datetime
from airflow_provider_engagevoice.sandbox.state.outbox import list_mails
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState
from airflow_provider_engagevoice.sandbox.state.store import MAIL_COLUMNS

_COLUMNS = ("leadId", *MAIL_COLUMNS)
_TIMESTAMPS = frozenset({"nextDialTime", "lastPassDts", "loadedDts", "stateDts"})
_BATCH_SIZE = 5000


def get_outbox(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET /sandbox/outbox``: list the mails with their links and the links' expiry."""
    with sandbox.store.reading() as connection:
        found = list_mails(connection)
    return json_response(
        [
            {
                "mail_id": mail.number,
                "to": mail.recipients,
                "leads": mail.leads,
                "sent": format_datetime(mail.sent),
                "link": mail.path,
                "expires": format_datetime(mail.expires),
            }
            for mail in found
        ]
    )


def get_zip(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET /sandbox/outbox/{mail}.zip``: a CSV of the leads as they were; 410 if the link has expired.

    The format of RingCX's CSV is unknown; the sandbox writes the fields of a search row (assumed).
    """
    try:
        number = parse_integer(request.path_params["mail"])
    except ValueError as error:
        raise ApiError(404) from error
    with sandbox.store.reading() as connection:
        mail = next((each for each in list_mails(connection) if each.number == number), None)
    if mail is None:
        raise ApiError(404)
    if sandbox.clock.milliseconds() >= mail.expires:
        return PlainTextResponse("The link has expired; links are valid for 24 hours.\n", 410)
    headers = {"Content-Disposition": f'attachment; filename="leads-{number}.zip"'}
    return Response(_zip(sandbox, number), media_type="application/zip", headers=headers)


def _zip(sandbox: SandboxState, number: int) -> bytes:
    """Return the ZIP file of a mail's leads."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(f"leads-{number}.csv", "w") as member,
        io.TextIOWrapper(member, encoding="utf-8", newline="") as text,
    ):
        writer = csv.writer(text)
        writer.writerow(_COLUMNS)
        writer.writerows(_rows(sandbox, number))
    return packed.getvalue()


def _rows(sandbox: SandboxState, number: int) -> Iterator[list[object]]:
    """Yield the leads of a mail in batches, so that other requests can use the database between them."""
    last = -1
    while True:
        with sandbox.store.reading() as connection:
            found = connection.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM mail_leads WHERE mailId = ? AND leadId > ?"
                " ORDER BY leadId LIMIT ?",
                (number, last, _BATCH_SIZE),
            ).fetchall()
        if not found:
            return
        last = found[-1]["leadId"]
        yield from ([_cell(name, row[name]) for name in _COLUMNS] for row in found)


def _cell(name: str, value: object) -> object:
    """Format one value as in a search row."""
    if name in _TIMESTAMPS and isinstance(value, int):
        return format_datetime(value)
    return bool(value) if name == "suppressed" else value
