"""A plan of a sync: what it is for, what it changes, and which checks it does not pass."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import PlanTampered, PlanVersion, UnsafePlan
from airflow_provider_engagevoice.ringcx.sync.guards import Trip
from airflow_provider_engagevoice.ringcx.sync.options import SyncOptions

VERSION = 1
"""Version of the format of plans."""


@dataclass(frozen=True)
class SyncPlan:
    """A plan without its actions, which are in its database.

    :param host: address of RingCX.
    :param default_account: default sub-account of the connection that it was made with; None for none.
    :param account_id: the sub-account.
    :param campaign_id: the campaign.
    :param campaign_name: its name.
    :param owner: owner of the lists that the sync loads, see ``owner.owner_id``.
    :param list_name: name of the lists that applying the plan makes.
    :param created: when it was made, with its zone.
    :param expires: when it ends.
    :param source: how the rows are read: path of the source if it is a file, and the arguments of its rows.
    :param options: the options of the sync.
    :param counts: what it changes, see ``diff.SyncCounts.to_json``.
    :param removals: removed leads by list and state: name of the list, state, number.
    :param trips: the checks that it does not pass.
    :param shown_lists: the sync's own lists whose leads RingCX has shown.
    :param actions_digest: digest of the actions.
    :param database_digest: digest of the file of the database.
    :param run_id: identifies the run that made it; empty if it is not known.
    """

    host: str
    default_account: str | None
    account_id: str
    campaign_id: int
    campaign_name: str
    owner: str
    list_name: str
    created: datetime
    expires: datetime
    source: Mapping[str, Any]
    options: SyncOptions
    counts: Mapping[str, Any]
    removals: Sequence[tuple[str, str, int]]
    trips: Sequence[Trip]
    shown_lists: Sequence[int]
    actions_digest: str
    database_digest: str
    run_id: str = ""

    @property
    def fingerprint(self) -> str:
        """Short text for a person to approve, such as ``7K2M-9QXA``: of what is changed where, and how.

        It differs for any other change, and is the same if the same is planned again.
        """
        digest = _digest(
            [
                self.host,
                self.account_id,
                self.campaign_id,
                self.owner,
                {**self.options.to_json(), "expires_after": None},
                self.actions_digest,
            ]
        )
        text = base64.b32encode(digest).decode()
        return f"{text[:4]}-{text[4:8]}"

    @property
    def digest(self) -> str:
        """Digest of the whole plan, which differs for any other plan."""
        return _digest(self._content()).hex()

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values, with its version, fingerprint and digest."""
        return {
            "version": VERSION,
            "fingerprint": self.fingerprint,
            "digest": self.digest,
            **self._content(),
        }

    @classmethod
    def from_json(cls, values: Any) -> SyncPlan:
        """Return the plan that :meth:`to_json` returned.

        :param values: the JSON values.
        :raises PlanVersion: if another version of this package has written them.
        :raises PlanTampered: if they are not those that were written.
        """
        if not isinstance(values, Mapping) or "version" not in values:
            raise PlanTampered("Plan again: the plan is not a plan of this package")
        if values["version"] != VERSION:
            raise PlanVersion(
                f"Plan again with this version of the package: the plan has format {values['version']!r}, "
                f"not {VERSION}"
            )
        try:
            fields = {name: values[name] for name in cls.__dataclass_fields__}
            plan = cls(
                **{
                    **fields,
                    "created": datetime.fromisoformat(fields["created"]),
                    "expires": datetime.fromisoformat(fields["expires"]),
                    "options": SyncOptions.from_json(fields["options"]),
                    "removals": [tuple(each) for each in fields["removals"]],
                    "trips": [Trip(**each) for each in fields["trips"]],
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise PlanTampered(f"Plan again: the plan is damaged ({type(error).__name__})") from None
        if (plan.fingerprint, plan.digest) != (values.get("fingerprint"), values.get("digest")):
            raise PlanTampered("Plan again: the plan was changed after it was made")
        return plan

    def _content(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            **values,
            "created": self.created.isoformat(),
            "expires": self.expires.isoformat(),
            "source": dict(self.source),
            "options": self.options.to_json(),
            "counts": dict(self.counts),
            "removals": [list(each) for each in self.removals],
            "shown_lists": list(self.shown_lists),
            "trips": [asdict(each) for each in self.trips],
        }


def require_safe(plan: SyncPlan) -> None:
    """Raise if a plan does not pass a check.

    :param plan: the plan.
    :raises UnsafePlan: if it does not.
    """
    if plan.trips:
        messages = "".join(f"\n{trip.message}" for trip in plan.trips)
        raise UnsafePlan(
            f'Look at the plan, then approve it with approve="{plan.fingerprint}" or correct the cause. '
            f"Nothing was changed{messages}"
        )


def _digest(content: Any) -> bytes:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).digest()
