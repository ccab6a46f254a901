"""Tests of the canonical order of ids, from which chunks are cut."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_engagevoice.ringcx.leads import id_spool
from airflow_provider_engagevoice.ringcx.leads.id_spool import SpooledIds, canonical_order, comparison_key
from airflow_provider_engagevoice.ringcx.leads.selection import Selection

#: Few letters, so that ids often differ in case only.
TEXTS = st.lists(st.text("aAbBé 1", min_size=1, max_size=3), min_size=1, max_size=30)


@given(ids=TEXTS, size=st.integers(1, 5), seed=st.integers(0, 9))
def test_chunks_depend_on_the_set_of_ids_only(ids: list[str], size: int, seed: int) -> None:
    shuffled = random.Random(seed).sample(ids, len(ids)) + ids[:2]
    chunks, others = (Selection({"externIds": each}).chunks(size) for each in (ids, shuffled))
    assert [chunk.body for chunk in chunks] == [chunk.body for chunk in others]
    assert sorted(value for chunk in chunks for value in chunk.body["externIds"]) == sorted(set(ids))
    assert [chunks.size_in(number) for number in range(len(chunks))] == [
        len(chunk.body["externIds"]) for chunk in chunks
    ]


@given(ids=TEXTS, size=st.integers(1, 5))
def test_ids_that_differ_in_case_only_share_a_chunk(ids: list[str], size: int) -> None:
    """RingCX may compare without case: two chunks could act on one lead twice."""
    found: dict[str, int] = {}
    chunks = Selection({"externIds": ids}).chunks(size)
    for number, chunk in enumerate(chunks):
        keys = [comparison_key(value) for value in chunk.body["externIds"]]
        assert len(keys) <= size or len(set(keys)) == 1 or len(set(keys[:size])) == 1
        assert all(found.setdefault(key, number) == number for key in keys)


@given(ids=TEXTS)
def test_spooled_ids_have_the_order_of_a_list(ids: list[str]) -> None:
    assert list(SpooledIds(ids)) == list(canonical_order(ids))


def test_spooled_numbers_are_sorted_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(id_spool, "IN_MEMORY", 2)
    ids = id_spool.deduplicate([10, 9, 2**40, 9])
    assert isinstance(ids, SpooledIds)
    assert [list(chunk.body["leadIds"]) for chunk in Selection({"leadIds": ids}).chunks(2)] == [
        [9, 10],
        [2**40],
    ]
