"""From criteria to the body that is sent: checked, and never wider than written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from airflow_provider_engagevoice.ringcx.criteria import (
    ALL_KEYS,
    KINDS,
    ROLES,
    UNSET,
    Role,
    is_data,
    keys_with,
)
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria, did_you_mean
from airflow_provider_engagevoice.ringcx.leads.coercion import (
    EmptyValue,
    coerce,
    is_list,
    parse_text,
    type_name,
)

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.leads.id_file import IdFile

IDENTITIES = keys_with([Role.IDENTITY])
NARROWING = keys_with([Role.IDENTITY, Role.CAMPAIGN, Role.LIST])
_FOREIGN = "The search criteria have a key that is no criterion of RingCX's"

#: Filters whose values are RingCX's words or ids of its own, and so no lead's data.
_SHOWN = frozenset({"listIds", "leadStates", "systemDispositions"})


@dataclass(frozen=True, repr=False)
class Selection:
    """Leads to act on, ready to send.

    :param body: RingCX's ``campaignLeadSearchCriteria``.
    :param empty: why nothing is selected; None where something may be.
    """

    body: Mapping[str, Any]
    empty: str | None = None

    def describe(self) -> str:
        """Say what is selected, for a log or a screen: counts and names of filters, no lead's data.

        :return: such as ``campaigns [101], 250 externIds, leadStates READY``.
        """
        if self.empty:
            return f"nothing ({self.empty})"
        parts = []
        if "campaignIds" in self.body:
            parts.append(f"campaigns {self.body['campaignIds']}")
        parts += [f"{len(self.body[key]):,} {key}" for key in sorted(IDENTITIES) if key in self.body]
        for key, value in self.body.items():
            if ROLES[key] in (Role.FILTER, Role.LIST):
                parts.append(f"{key} {', '.join(map(str, value))}" if key in _SHOWN else key)
        return ", ".join(parts) or "every lead of the sub-account"

    __repr__ = describe

    def narrow_to_campaign(self, campaign_id: int) -> Selection:
        """Narrow the selection to one campaign.

        :param campaign_id: the campaign.
        :return: the narrower selection.
        :raises InvalidCriteria: where the selection names other campaigns only.
        """
        if self.empty:
            return self
        named = self.body.get("campaignIds")
        if named is not None and campaign_id not in named:
            raise InvalidCriteria(
                f"The criteria select from campaigns {named}, not from campaign {campaign_id}"
            )
        return Selection({**self.body, "campaignId": campaign_id, "campaignIds": [campaign_id]})

    def chunks(self, size: int | None, *, disjoint: bool = False) -> Chunks:
        """Cut a long list of ids into selections that together select the same leads.

        :param size: most ids in one part; None for no bound.
        :param disjoint: no lead may be in two parts. One lead may have several numbers, so a list of
            phone numbers is not cut then.
        :return: the parts; the selection itself where no list is longer than ``size``.
        """
        lists = sorted(IDENTITIES & self.body.keys())
        longest = max(lists, key=lambda key: len(self.body[key]), default=None)
        return Chunks(self, longest, None if disjoint and longest == "leadPhoneNumbers" else size)


@dataclass(frozen=True, repr=False)
class Chunks(Sequence[Selection]):
    """A selection cut into what one request takes; each part is made when it is asked for.

    :param whole: the selection.
    :param key: the list of ids that is cut; None where there is none.
    :param size: most ids in one part; None for no bound.
    """

    whole: Selection
    key: str | None
    size: int | None

    @property
    def ids(self) -> Sequence[Any]:
        """All ids of the list that is cut; none where there is none."""
        return self.whole.body[self.key] if self.key else ()

    def ids_in(self, index: int) -> list[Any]:
        """Give the ids of one part."""
        size = self.size or len(self.ids)
        return list(self.ids[index * size : (index + 1) * size])

    def size_in(self, index: int) -> int:
        """Tell how many ids one part has, without reading them."""
        size = self.size or len(self.ids)
        return max(0, min(size, len(self.ids) - index * size))

    def __len__(self) -> int:
        return max(1, -(-len(self.ids) // self.size)) if self.size else 1

    @overload
    def __getitem__(self, index: int) -> Selection: ...

    @overload
    def __getitem__(self, index: slice) -> list[Selection]: ...

    def __getitem__(self, index: int | slice) -> Selection | list[Selection]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        if self.key is None:
            return self.whole
        # Ids that are kept in a file become a list, which can be sent.
        others = {key: list(self.whole.body[key]) for key in IDENTITIES & self.whole.body.keys() - {self.key}}
        return Selection({**self.whole.body, **others, self.key: self.ids_in(position)})


def select(
    criteria: object,
    *,
    data: Collection[str] = ALL_KEYS,
    account_wide: bool = False,
    source: IdFile | None = None,
) -> Selection:
    """Turn rendered criteria into a selection, or refuse them.

    :param criteria: a dict with RingCX's keys, or text that is one.
    :param data: keys whose value came from data. Such a value that is empty selects nothing, while
        an empty list written by hand means "any" for a pure filter, as in RingCX's guide.
        By default all, since a program cannot tell ``[]`` from a list that happens to be empty.
    :param account_wide: allow criteria that name no campaign, list, lead, external id or phone.
    :param source: the ids of a file, one more criterion beside the others, which may be ``UNSET`` then.
    :return: the selection; its ``empty`` says why where nothing is selected.
    :raises InvalidCriteria: on unknown keys, wrong types, unknown states, and on criteria that touch
        the whole sub-account unless ``account_wide``.
    """
    whole = parse_text(criteria, "search_criteria") if isinstance(criteria, str) else criteria
    if whole is UNSET and source is not None:
        whole, data = {}, ()
    if whole is None or (isinstance(whole, Mapping) and not whole and data):
        return Selection({}, "the search criteria are empty")
    if not isinstance(whole, Mapping):
        raise InvalidCriteria(f"search_criteria must be a dict of RingCX's criteria, not {type_name(whole)}")
    _check_keys(whole, shown=not ALL_KEYS.issubset(data))
    if source is not None:
        whole, data = _with_source(whole, source), {*data, source.key}
    body: dict[str, Any] = {}
    empty = None
    for key, value in whole.items():
        try:
            body[key] = coerce(key, value, lenient=key in data)
        except EmptyValue:
            if key in IDENTITIES or key in data:
                from_file = source is not None and value is source
                empty = empty or ("the source holds no id" if from_file else f"{key} is empty")
            elif not (is_list(key) and isinstance(value, (list, tuple, set, frozenset)) and not value):
                raise InvalidCriteria(f"{key} is empty; leave it out to mean any") from None
    if empty:
        return Selection({}, empty)
    _join_campaigns(body)
    if not account_wide and "campaignIds" in whole and "campaignIds" not in body:
        raise InvalidCriteria("campaignIds is empty and there is no campaignId; leave it out to mean any")
    if not account_wide and not NARROWING & body.keys():
        raise InvalidCriteria(
            "The criteria name no campaign, list, lead, external id or phone number, so they touch every "
            f"lead of the sub-account; name one of {', '.join(sorted(NARROWING))}, or say account_wide=True"
        )
    return Selection(body)


def _with_source(whole: Mapping[str, Any], source: IdFile) -> Mapping[str, Any]:
    """Add the ids of a file to criteria, which must not have such ids themselves."""
    reject_duplicate_source(whole, source.key)
    return {**whole, source.key: source}


def reject_duplicate_source(criteria: Mapping[str, Any], key: object) -> None:
    """Refuse criteria that have the ids of a source already.

    :param criteria: the criteria.
    :param key: what the source's ids are.
    :raises InvalidCriteria: where both have them.
    """
    if key in criteria:
        raise InvalidCriteria(f"Give {key} in the search criteria or in source, not in both")


def validate_authored(criteria: object, *, account_wide: bool = False) -> None:
    """Check what can be known of criteria before their templates are rendered.

    :param criteria: criteria as written in the DAG.
    :param account_wide: as for :func:`select`; also where a source narrows them.
    :raises InvalidCriteria: on unknown keys, on literals that :func:`select` would refuse, and where
        no key at all narrows the selection.
    """
    if is_data(criteria) and not isinstance(criteria, Mapping):
        return
    if not isinstance(criteria, Mapping):
        raise InvalidCriteria(
            f"search_criteria must be a dict of RingCX's criteria, not {type_name(criteria)}"
        )
    _check_keys(criteria, shown=True)
    literals = {key: value for key, value in criteria.items() if not is_data(value)}
    templated = criteria.keys() - literals.keys()
    select(literals, data=(), account_wide=account_wide or bool(NARROWING & templated))


def _check_keys(criteria: Mapping[Any, Any], *, shown: bool) -> None:
    for key in criteria:
        if key == "campaignLeadSearchCriteria":
            raise InvalidCriteria("Pass the object inside campaignLeadSearchCriteria as search_criteria")
        if not isinstance(key, str):
            raise InvalidCriteria(f"The name of a criterion must be text, not {type_name(key)}")
        if key not in KINDS:
            near = did_you_mean(key, KINDS)
            # In data a key that resembles no word of RingCX's may be a lead's.
            raise InvalidCriteria(f"RingCX knows no criterion {key!r}{near}" if near or shown else _FOREIGN)


def _join_campaigns(body: dict[str, Any]) -> None:
    """Send both spellings: with a lone ``campaignId`` RingCX selects from every campaign (observed)."""
    single, several = body.pop("campaignId", None), body.pop("campaignIds", [])
    campaigns = list(dict.fromkeys(([] if single is None else [single]) + several))
    if campaigns:
        body |= {"campaignId": campaigns[0], "campaignIds": campaigns}
