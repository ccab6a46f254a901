"""What whoever looks at the sandbox's page has chosen there, as the query of its address holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from airflow_provider_engagevoice.sandbox.http.parsing import read_integer

_LONGEST = 100


@dataclass(frozen=True)
class View:
    """One way to look at the sandbox.

    :param campaign: id of the campaign whose lists and leads are shown; None for all.
    :param state: state of the leads shown; empty for any.
    :param text: what their name, phone or external id holds; empty for anything.
    :param errors: show only requests that went wrong.
    :param kind: the kind of fault that the form is for; empty for the first one.
    :param ask: what to ask before it is done: ``reset``, or nothing.
    :param done: what has just been done.
    """

    campaign: int | None = None
    state: str = ""
    text: str = ""
    errors: bool = False
    kind: str = ""
    ask: str = ""
    done: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> View:
        """Read an untrusted query; what makes no sense counts as not chosen."""
        words = {name: query.get(name, "")[:_LONGEST] for name in ("state", "text", "kind", "ask", "done")}
        try:
            campaign = read_integer(query.get("campaign", ""))
        except ValueError:
            campaign = None
        return cls(campaign=campaign, errors=query.get("errors") == "1", **words)

    def query(self, **changes: str) -> str:
        """Write what stays chosen when something has been done, as a query.

        :param changes: entries to write besides, or instead; an empty one is left out.
        :return: the query with its question mark, or nothing.
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
