"""Lead selections: validated search criteria, never wider than their author meant."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, overload

from airflow_provider_engagevoice.ringcx.criteria import (
    ALL_KEYS,
    KINDS,
    ROLES,
    UNSET,
    Role,
    is_runtime_value,
    keys_with,
)
from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria, counted, did_you_mean
from airflow_provider_engagevoice.ringcx.leads.coercion import EmptyValue, coerce, is_list, type_name
from airflow_provider_engagevoice.ringcx.leads.id_spool import canonical_order, chunk_starts
from airflow_provider_engagevoice.ringcx.leads.literals import parse_text

log = logging.getLogger(__name__)

IDENTITIES = keys_with([Role.IDENTITY])
NARROWING = keys_with([Role.IDENTITY, Role.CAMPAIGN, Role.LIST])
_UNKNOWN_KEY = "search_criteria has a key that is not a criterion of RingCX; check its keys"

#: Filters whose values RingCX defines, so that they contain no lead's data and can be shown.
_SAFE_TO_SHOW = frozenset({"listIds", "leadStates", "systemDispositions"})


class IdSource(Protocol):
    """Ids that are read from the start in each iteration, such as those of a file.

    :param key: the criterion that they are for.
    """

    key: str

    def __iter__(self) -> Iterator[Any]:
        """Yield the ids as they were given, including blank ones."""
        ...

    def location(self, index: int) -> str:
        """Return the position of the id that was yielded last, for an error message."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class Selection:
    """Leads to act on, as the request body that selects them.

    :param body: RingCX's ``campaignLeadSearchCriteria``.
    :param empty_reason: why nothing is selected; None if something may be.
    :param invalid_ids: identifiers that were left out, as they were given; None if an invalid one is an
        error.
    """

    body: Mapping[str, Any]
    empty_reason: str | None = None
    invalid_ids: Sequence[Any] | None = None

    def describe(self) -> str:
        """Describe the selection for a log or a screen: counts and names of filters, no lead's data.

        :return: for example ``campaigns [101], 250 externIds, leadStates READY``.
        """
        if self.empty_reason:
            return f"nothing ({self.empty_reason})"
        parts = []
        if "campaignIds" in self.body:
            parts.append(f"campaigns {self.body['campaignIds']}")
        parts += [
            counted(len(self.body[key]), key.removesuffix("s"))
            for key in sorted(IDENTITIES)
            if key in self.body
        ]
        for key, value in self.body.items():
            if ROLES[key] in (Role.FILTER, Role.LIST):
                parts.append(f"{key} {', '.join(map(str, value))}" if key in _SAFE_TO_SHOW else key)
        return ", ".join(parts) or "every lead of the sub-account"

    __repr__ = describe

    def narrow_to_campaign(self, campaign_id: int) -> Selection:
        """Narrow the selection to one campaign.

        :param campaign_id: the campaign.
        :return: the narrower selection.
        :raises InvalidCriteria: if the selection names other campaigns only.
        """
        if self.empty_reason:
            return self
        named = self.body.get("campaignIds")
        if named is not None and campaign_id not in named:
            raise InvalidCriteria(
                f"Campaign {campaign_id} is not among the campaigns of the criteria: {named}"
            )
        return replace(self, body={**self.body, "campaignId": campaign_id, "campaignIds": [campaign_id]})

    def chunks(self, size: int | None, *, disjoint: bool = False) -> Chunks:
        """Split the longest list of ids into selections that together select the same leads.

        The ids are sorted first, so that the chunks do not depend on the order of the input. Ids that differ
        only in case, accents or blanks are in one chunk, because RingCX may take them for the same lead.

        :param size: most ids in one chunk; None for no limit. Ids that differ only in case may exceed it.
        :param disjoint: no lead may be in two chunks. One lead may have several phone numbers, so a list
            of phone numbers is not split then.
        :return: the chunks; the selection itself if no list is longer than ``size``.
        """
        lists = sorted(IDENTITIES & self.body.keys())
        longest = max(lists, key=lambda key: len(self.body[key]), default=None)
        return Chunks(self, longest, None if disjoint and longest == "leadPhoneNumbers" else size)


@dataclass(frozen=True, eq=False, repr=False)
class Chunks(Sequence[Selection]):
    """A selection split into one selection per request; each chunk is built on access.

    :param whole: the selection.
    :param key: the list of ids that is split; None if there is none.
    :param size: most ids in one chunk; None for no limit.
    """

    whole: Selection
    key: str | None
    size: int | None

    @cached_property
    def ids(self) -> Sequence[Any]:
        """All ids of the list that is split, in canonical order; empty if there is none."""
        return canonical_order(self.whole.body[self.key]) if self.key else ()

    @cached_property
    def _starts(self) -> Sequence[int]:
        """Position of the first id of each chunk, then the number of ids."""
        return chunk_starts(self.ids, self.size) if self.size else (0, len(self.ids))

    def ids_in(self, index: int) -> list[Any]:
        """Return the ids of one chunk."""
        return list(self.ids[self._starts[index] : self._starts[index + 1]])

    def size_in(self, index: int) -> int:
        """Return the number of ids in one chunk, without reading them."""
        return self._starts[index + 1] - self._starts[index]

    def __len__(self) -> int:
        return len(self._starts) - 1

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
        # A spooled list of ids becomes a plain list, which JSON can encode.
        others = {key: list(self.whole.body[key]) for key in IDENTITIES & self.whole.body.keys() - {self.key}}
        return Selection({**self.whole.body, **others, self.key: self.ids_in(position)})


def build_selection(
    criteria: object,
    *,
    runtime_keys: Collection[str] = ALL_KEYS,
    account_wide: bool = False,
    source: IdSource | None = None,
    on_invalid: str = "fail",
    log_changes: bool = True,
) -> Selection:
    """Build a selection from rendered criteria.

    :param criteria: a dict with RingCX's keys, or text that contains one.
    :param runtime_keys: keys whose value was known only at run time. If such a value is empty, nothing is
        selected, while an empty list that the author wrote means "any" for a pure filter, as in RingCX's
        guide. Default all, since a caller cannot distinguish ``[]`` from a list that happens to be empty.
    :param account_wide: allow criteria that name no campaign, list, lead, external id or phone.
    :param source: the ids of a file, as one more criterion; ``criteria`` may be ``UNSET`` then.
    :param on_invalid: what to do about an id or phone number that is not valid: ``"fail"`` raises,
        ``"skip"`` leaves it out and logs a warning.
    :param log_changes: log how many ids and phone numbers were normalized.
    :return: the selection; if nothing is selected, its ``empty_reason`` is the reason.
    :raises InvalidCriteria: on unknown keys, wrong types, unknown states, and on criteria that select
        from the whole sub-account unless ``account_wide``.
    """
    parsed = parse_text(criteria, "search_criteria") if isinstance(criteria, str) else criteria
    if parsed is UNSET and source is not None:
        parsed, runtime_keys = {}, ()
    if parsed is None or (isinstance(parsed, Mapping) and not parsed and runtime_keys):
        return Selection({}, "the search criteria are empty")
    if not isinstance(parsed, Mapping):
        raise InvalidCriteria(f"search_criteria must be a dict of RingCX's criteria, not {type_name(parsed)}")
    _check_keys(parsed, authored=not ALL_KEYS.issubset(runtime_keys))
    if source is not None:
        reject_duplicate_source(parsed, source.key)
        parsed, runtime_keys = {**parsed, source.key: source}, {*runtime_keys, source.key}
    invalid: list[Any] | None = [] if on_invalid == "skip" else None
    body, empty_reason = _coerce_all(parsed, runtime_keys, source, invalid, log_changes)
    if invalid:
        log.warning(
            "Left out %s (on_invalid_id='skip'); a report lists them", counted(len(invalid), "invalid id")
        )
    if empty_reason:
        return Selection({}, empty_reason, invalid)
    _merge_campaigns(body)
    if not account_wide:
        _require_narrowing(parsed, body)
    return Selection(body, invalid_ids=invalid)


def _coerce_all(
    criteria: Mapping[str, Any],
    runtime_keys: Collection[str],
    source: IdSource | None,
    invalid: list[Any] | None,
    log_changes: bool,
) -> tuple[dict[str, Any], str | None]:
    """Return the coerced criteria, and why they select nothing, if so."""
    body: dict[str, Any] = {}
    empty_reason = None
    for key, value in criteria.items():
        try:
            body[key] = coerce(
                key, value, lenient=key in runtime_keys, invalid=invalid, log_changes=log_changes
            )
        except EmptyValue:
            if key in IDENTITIES or key in runtime_keys:
                from_file = source is not None and value is source
                empty_reason = empty_reason or ("source contains no ids" if from_file else f"{key} is empty")
            elif not (is_list(key) and isinstance(value, (list, tuple, set, frozenset)) and not value):
                raise InvalidCriteria(f"{key} is empty; leave it out to mean any") from None
    return body, empty_reason


def _require_narrowing(criteria: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    """Raise if the criteria select from the whole sub-account."""
    if "campaignIds" in criteria and "campaignIds" not in body:
        raise InvalidCriteria("campaignIds is empty and there is no campaignId; leave it out to mean any")
    if not NARROWING & body.keys():
        raise InvalidCriteria(
            f"search_criteria must have one of {', '.join(sorted(NARROWING))}; to select from the whole "
            "sub-account, set account_wide=True"
        )


def reject_duplicate_source(criteria: Mapping[str, Any], key: object) -> None:
    """Raise if the criteria already contain the ids that a source is to provide.

    :param criteria: the criteria.
    :param key: the criterion for which the source provides ids.
    :raises InvalidCriteria: if the criteria contain it.
    """
    if key in criteria:
        raise InvalidCriteria(f"Pass {key} in search_criteria or in source, not in both")


def validate_authored(criteria: object, *, account_wide: bool = False) -> None:
    """Validate the literal parts of criteria before their templates are rendered.

    :param criteria: criteria as written in the DAG.
    :param account_wide: as for :func:`build_selection`; also True if a source narrows them.
    :raises InvalidCriteria: on unknown keys, on literals that :func:`build_selection` would reject, and
        if no key at all narrows the selection.
    """
    if is_runtime_value(criteria) and not isinstance(criteria, Mapping):
        return
    if not isinstance(criteria, Mapping):
        raise InvalidCriteria(
            f"search_criteria must be a dict of RingCX's criteria, not {type_name(criteria)}"
        )
    _check_keys(criteria, authored=True)
    literals = {key: value for key, value in criteria.items() if not is_runtime_value(value)}
    templated = criteria.keys() - literals.keys()
    build_selection(
        literals,
        runtime_keys=(),
        account_wide=account_wide or bool(NARROWING & templated),
        log_changes=False,
    )


def _check_keys(criteria: Mapping[Any, Any], *, authored: bool) -> None:
    for key in criteria:
        if key == "campaignLeadSearchCriteria":
            raise InvalidCriteria("Pass the object inside campaignLeadSearchCriteria as search_criteria")
        if not isinstance(key, str):
            raise InvalidCriteria(f"The name of a criterion must be text, not {type_name(key)}")
        if key not in KINDS:
            hint = did_you_mean(key, KINDS)
            # At run time a key that resembles no criterion may be a lead's data, so it is not shown.
            raise InvalidCriteria(f"unknown key {key!r}{hint}" if hint or authored else _UNKNOWN_KEY)


def _merge_campaigns(body: dict[str, Any]) -> None:
    """Set both keys: if only ``campaignId`` is sent, RingCX selects from every campaign (observed)."""
    single, several = body.pop("campaignId", None), body.pop("campaignIds", [])
    campaigns = list(dict.fromkeys(([] if single is None else [single]) + several))
    if campaigns:
        body |= {"campaignId": campaigns[0], "campaignIds": campaigns}
