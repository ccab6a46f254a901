"""Checks of a whole plan: what it changes must not be more than an accident could cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airflow_provider_engagevoice.ringcx.exceptions import counted
from airflow_provider_engagevoice.ringcx.sync.diff import SyncCounts
from airflow_provider_engagevoice.ringcx.sync.options import Limit, SyncOptions

#: Share of the missing external ids that may differ from one of the campaign only as systems often differ.
_NEAR_MISSES = 0.01


@dataclass(frozen=True)
class Trip:
    """A check that a plan does not pass.

    :param guard: short name of the check.
    :param message: what is wrong, and what to do about it.
    """

    guard: str
    message: str


def find_trips(counts: SyncCounts, options: SyncOptions, loaded_before: int) -> list[Trip]:
    """Return the checks that a plan does not pass, in the order of their danger.

    :param counts: what the plan changes.
    :param options: the options of the sync.
    :param loaded_before: number of leads that the lists of the campaign were loaded with, as far as RingCX
        shows it.
    """
    return [
        *_check_campaign(counts, loaded_before),
        *_check_removals(counts, options),
        *_check_nothing_left(counts),
        *_check_loads(counts, options),
        *_check_updates(counts, options),
        *_check_near_misses(counts),
        *_check_source_keys(counts),
    ]


def _check_campaign(counts: SyncCounts, loaded_before: int) -> Iterator[Trip]:
    if counts.load and not counts.leads and loaded_before:
        yield Trip(
            "campaign_empty",
            f"Check the campaign in RingCX: it shows no lead, but its lists were loaded with "
            f"{counted(loaded_before, 'lead')}",
        )


def _check_removals(counts: SyncCounts, options: SyncOptions) -> Iterator[Trip]:
    limit = Limit.parse("max_removals", options.max_removals)
    if limit.is_reached(counts.remove, counts.removable):
        yield Trip(
            "removals",
            f"Check the source for missing rows: {counted(counts.remove, 'lead')} of {counts.removable:,} "
            f"would be removed; max_removals is {limit}",
        )
    if counts.remove and counts.rows_without_key:
        yield Trip(
            "rows_without_key",
            f"Correct {counted(counts.rows_without_key, 'row')} without a valid external id: a lead that one "
            "of them means would count as surplus",
        )


def _check_nothing_left(counts: SyncCounts) -> Iterator[Trip]:
    if counts.remove and counts.remove + counts.held_back_surplus >= counts.removable:
        yield Trip(
            "nothing_left",
            f"Check the source: all {counted(counts.removable, 'lead')} that this sync manages and that are "
            "not done would be removed",
        )


def _check_loads(counts: SyncCounts, options: SyncOptions) -> Iterator[Trip]:
    limit = Limit.parse("max_loads", options.max_loads)
    if limit.is_reached(counts.load, counts.leads):
        yield Trip(
            "loads",
            f"Check the source and the campaign: {counted(counts.load, 'row')} would be loaded into a "
            f"campaign of {counted(counts.leads, 'lead')}; max_loads is {limit}",
        )


def _check_updates(counts: SyncCounts, options: SyncOptions) -> Iterator[Trip]:
    limit = Limit(None, options.max_updates)
    if limit.is_reached(counts.update, counts.managed):
        yield Trip(
            "updates",
            f"Check the compared fields: {counted(counts.update, 'lead')} would be updated, one in each "
            f"request; max_updates is {limit}",
        )


def _check_near_misses(counts: SyncCounts) -> Iterator[Trip]:
    if counts.near_misses and counts.near_misses >= _NEAR_MISSES * counts.missing:
        yield Trip(
            "near_misses",
            f"Compare the external ids of both sides: {counts.near_misses:,} of the {counts.missing:,} that "
            "the campaign does not have differ from one that it has only in case, blanks, leading zeros, a "
            "trailing .0, or in having 15 or 18 letters",
        )


def _check_source_keys(counts: SyncCounts) -> Iterator[Trip]:
    if counts.repeated_keys:
        yield Trip(
            "repeated_keys",
            f"Correct the source: {counted(counts.repeated_keys, 'external id')} are in several rows that "
            "differ; nothing is done for them",
        )
