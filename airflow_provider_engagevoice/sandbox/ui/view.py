"""View state of the dashboard, encoded in the query string."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from airflow_provider_engagevoice.sandbox.http.parsing import parse_integer

_MAX_LENGTH = 100


@dataclass(frozen=True)
class View:
    """Filters and open dialogs of the dashboard.

    :param campaign: id of the campaign whose lists and leads are shown; None for all.
    :param state: state of the leads shown; empty for any.
    :param text: text to find in name, phone or ids of the leads; empty for any.
    :param errors: whether only requests with an error or a fault are shown.
    :param kind: fault kind of the form; empty for the first one.
    :param ask: the confirmation dialog to open: ``reset``, or empty.
    :param done: the action that was just completed; empty for none.
    """

    campaign: int | None = None
    state: str = ""
    text: str = ""
    errors: bool = False
    kind: str = ""
    ask: str = ""
    done: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> View:
        """Parse an untrusted query; invalid values are ignored."""
        words = {name: query.get(name, "")[:_MAX_LENGTH] for name in ("state", "text", "kind", "ask", "done")}
        try:
            campaign = parse_integer(query.get("campaign", ""))
        except ValueError:
            campaign = None
        return cls(campaign=campaign, errors=query.get("errors") == "1", **words)

    def query(self, **changes: str) -> str:
        """Return the query string that keeps the filters.

        :param changes: entries to add or replace; an empty value removes the entry.
        :return: the query string with its question mark; empty if no filter is set.
        """
        kept = {
            "campaign": "" if self.campaign is None else str(self.campaign),
            "state": self.state,
            "text": self.text,
            "errors": "1" if self.errors else "",
            "kind": self.kind,
            **changes,
        }
        chosen = {name: value for name, value in kept.items() if value}
        return f"?{urlencode(chosen)}" if chosen else ""
