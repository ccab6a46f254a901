"""Mails of EMAIL_LEADS and the leads that each of them offers."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

LINK_LIFETIME = 24 * 3600
"""Lifetime of the download link in a mail, in seconds. Source: guide, EMAIL_LEADS."""


@dataclass(frozen=True)
class Mail:
    """A sent mail.

    :param number: its id.
    :param recipients: addresses of the recipients.
    :param leads: number of leads it offers.
    :param sent: time of sending, in milliseconds since 1970 by the sandbox's clock.
    """

    number: int
    recipients: list[str]
    leads: int
    sent: int

    @property
    def path(self) -> str:
        """Path of the ZIP file with its leads."""
        return f"/sandbox/outbox/{self.number}.zip"

    @property
    def expires(self) -> int:
        """Expiry of the link, in milliseconds since 1970."""
        return self.sent + LINK_LIFETIME * 1000


def list_mails(connection: sqlite3.Connection) -> list[Mail]:
    """Return all mails in the order they were sent."""
    found = connection.execute("SELECT mailId, recipients, leads, sent FROM mails ORDER BY mailId")
    return [Mail(row["mailId"], json.loads(row["recipients"]), row["leads"], row["sent"]) for row in found]


def lead_ids_by_mail(connection: sqlite3.Connection) -> dict[int, list[int]]:
    """Return the ids of the leads of each mail that has any, by mail id; both ascending."""
    lead_ids: dict[int, list[int]] = {}
    for row in connection.execute("SELECT mailId, leadId FROM mail_leads ORDER BY mailId, leadId"):
        lead_ids.setdefault(row["mailId"], []).append(row["leadId"])
    return lead_ids
