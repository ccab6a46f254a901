"""The mails of EMAIL_LEADS, and the ZIP that each of them links to."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.responses import PlainTextResponse, Response

from airflow_provider_engagevoice.sandbox.http.endpoint import Call, answer
from airflow_provider_engagevoice.sandbox.http.errors import Refusal
from airflow_provider_engagevoice.sandbox.http.parsing import read_integer
from airflow_provider_engagevoice.sandbox.http.timestamps import print_moment
from airflow_provider_engagevoice.sandbox.state.sandbox import Service
from airflow_provider_engagevoice.sandbox.state.store import MAIL_COLUMNS

LINK_SECONDS = 24 * 3600
"""How long the link in a mail works. Source: guide, EMAIL_LEADS."""

_COLUMNS = ("leadId", *MAIL_COLUMNS)
_MOMENTS = frozenset({"nextDialTime", "lastPassDts", "loadedDts", "stateDts"})
_AT_ONCE = 5000


@dataclass(frozen=True)
class Mail:
    """One mail.

    :param number: its id.
    :param recipients: whom it went to.
    :param leads: how many leads it offers.
    :param sent: when, in milliseconds since 1970 by the sandbox's clock.
    """

    number: int
    recipients: list[str]
    leads: int
    sent: int

    @property
    def path(self) -> str:
        """Where its ZIP is."""
        return f"/sandbox/outbox/{self.number}.zip"

    @property
    def expires(self) -> int:
        """From when on the link does not work, in milliseconds since 1970."""
        return self.sent + LINK_SECONDS * 1000


def mails(connection: sqlite3.Connection) -> list[Mail]:
    """Return all mails, the first one first."""
    found = connection.execute("SELECT mailId, recipients, leads, sent FROM mails ORDER BY mailId")
    return [Mail(row["mailId"], json.loads(row["recipients"]), row["leads"], row["sent"]) for row in found]


def get_outbox(service: Service, call: Call) -> Response:
    """``GET /sandbox/outbox``: the mails, each with its link and until when that works."""
    with service.store.reading() as connection:
        found = mails(connection)
    return answer(
        [
            {
                "mail_id": mail.number,
                "to": mail.recipients,
                "leads": mail.leads,
                "sent": print_moment(mail.sent),
                "link": mail.path,
                "expires": print_moment(mail.expires),
            }
            for mail in found
        ]
    )


def get_zip(service: Service, call: Call) -> Response:
    """``GET /sandbox/outbox/{mail}.zip``: a CSV of the leads as they were; 410 when the link has expired.

    What the CSV of the real mail looks like is unknown; here it has the fields of a search's row (assumed).
    """
    try:
        number = read_integer(call.captured["mail"])
    except ValueError as error:
        raise Refusal(404) from error
    with service.store.reading() as connection:
        mail = next((each for each in mails(connection) if each.number == number), None)
    if mail is None:
        raise Refusal(404)
    if service.clock.milliseconds() >= mail.expires:
        return PlainTextResponse("The link of this mail has expired: it works for 24 hours.\n", 410)
    headers = {"Content-Disposition": f'attachment; filename="leads-{number}.zip"'}
    return Response(_zip(service, number), media_type="application/zip", headers=headers)


def _zip(service: Service, number: int) -> bytes:
    """Pack the leads of a mail."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(f"leads-{number}.csv", "w") as member,
        io.TextIOWrapper(member, encoding="utf-8", newline="") as text,
    ):
        writer = csv.writer(text)
        writer.writerow(_COLUMNS)
        writer.writerows(_rows(service, number))
    return packed.getvalue()


def _rows(service: Service, number: int) -> Iterator[list[object]]:
    """Read the leads of a mail, some thousands at once, so that others get their turn between."""
    last = -1
    while True:
        with service.store.reading() as connection:
            found = connection.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM mail_leads WHERE mailId = ? AND leadId > ?"
                " ORDER BY leadId LIMIT ?",
                (number, last, _AT_ONCE),
            ).fetchall()
        if not found:
            return
        last = found[-1]["leadId"]
        yield from ([_cell(name, row[name]) for name in _COLUMNS] for row in found)


def _cell(name: str, value: object) -> object:
    """Write one value as a search does."""
    if name in _MOMENTS and isinstance(value, int):
        return print_moment(value)
    return bool(value) if name == "suppressed" else value
