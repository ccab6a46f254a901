"""Tests of moves: exactly one new list, and move plans."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidCriteria,
    InvalidParameter,
    NotFound,
    OutcomeUnknown,
)
from airflow_provider_engagevoice.ringcx.leads.moves import plan_move
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import new_lists
from tests.support.clients import count_action_requests, make_client
from tests.unit.ringcx.conftest import Move

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

Row = dict[str, Any]


def count_lists(sandbox: SandboxServer, summer: Row) -> int:
    """Return how many lists of the test's name the target has, including empty ones."""
    campaigns = make_client(sandbox.url).campaigns
    lists = campaigns.lists(campaigns.find(summer["campaignId"]))
    return sum(entry["list_name"] == "Moved by a test" for entry in lists)


def test_move_in_chunks_creates_one_list(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move, summer: Row
) -> None:
    done = move({"leadIds": ids[:11]}, chunk_size=3)
    assert (done["leads_updated"], done["requests"]) == (11, 4)
    assert list(new_lists(ringcx_sandbox).values()) == [11]
    assert count_lists(ringcx_sandbox, summer) == 1


def test_move_second_run_creates_another_list(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move, summer: Row
) -> None:
    move({"leadIds": ids[:5]}, chunk_size=2)
    move({"leadIds": ids[5:12]}, chunk_size=2)
    assert sorted(new_lists(ringcx_sandbox).values()) == [5, 7]
    assert count_lists(ringcx_sandbox, summer) == 2


def test_move_first_chunk_of_duplicates_uses_no_older_list(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move
) -> None:
    """With IGNORE a chunk may have no lead to move, and then creates no list for the next chunk."""
    move({"leadIds": ids[:2]})
    nothing = {"success": True, "leadUpdateCount": 0}
    ringcx_sandbox.fault("answer", body=nothing, operation="lead_action", times=2)
    done = move({"leadIds": ids[2:12]}, duplicates="IGNORE", chunk_size=2)
    assert (done["leads_updated"], done["requests"]) == (6, 5)
    assert sorted(new_lists(ringcx_sandbox).values()) == [2, 6]


@pytest.mark.parametrize("copy", ["false", "true"])
def test_move_unreadable_lists_between_chunks_fail_permanently(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move, copy: str
) -> None:
    ringcx_sandbox.fault("status", status=503, operation="lists", skip=1, chance=1)
    with pytest.raises(OutcomeUnknown, match="1 of 3 chunks is complete"):
        move({"leadIds": ids[:6]}, copy=copy, chunk_size=2)
    assert sum(new_lists(ringcx_sandbox).values()) == 2


def test_move_unreadable_lists_at_the_start_send_nothing(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move
) -> None:
    ringcx_sandbox.fault("status", status=403, operation="lists", chance=1)
    with pytest.raises(Exception, match="returned 403"):
        move({"leadIds": ids[:6]}, chunk_size=2)
    assert count_action_requests(ringcx_sandbox) == 0


def test_move_retries_later_chunks_once_its_list_exists(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move
) -> None:
    ringcx_sandbox.fault("drop", when="after", operation="lead_action", at=[2])
    ringcx_sandbox.fault("drop", operation="lead_action", at=[3])
    ringcx_sandbox.fault("status", status=503, operation="lead_action", at=[4])
    done = move({"leadIds": ids[:6]}, chunk_size=2)
    assert done["requests"] == 3
    assert list(new_lists(ringcx_sandbox).values()) == [6]


def plan(sandbox: SandboxServer, **arguments: Any) -> Any:
    return plan_move(make_client(sandbox.url, account_id=None).campaigns, **arguments)


def test_plan_move_resolves_names_in_few_requests(ringcx_sandbox: SandboxServer, summer: Row) -> None:
    list_id = ringcx_sandbox.leads("Summer Win-Back")[0]["listId"]
    by_id = plan(
        ringcx_sandbox,
        target_campaign="Summer Win-Back",
        source_campaign="Spring Renewals",
        target_list=str(list_id),
        account_id="50810001",
    )
    assert [request.path.rpartition("/")[2] for request in ringcx_sandbox.requests[2:]] == [
        "withChildren",
        "lists",
    ]
    assert (by_id.target["campaign_id"], by_id.list_id) == (summer["campaignId"], list_id)
    assert by_id.params(False, "MOVE") == {
        "CAMPAIGN_ID": summer["campaignId"],
        "LIST_ID": list_id,
        "CREATE_COPY_SETTING": "false",
        "DUPLICATE_ACTION_SETTING": "MOVE",
    }


def test_plan_move_into_new_list_has_its_name(ringcx_sandbox: SandboxServer, summer: Row) -> None:
    planned = plan(
        ringcx_sandbox, target_campaign=summer["campaignId"], new_list_name="July", account_id="50810001"
    )
    assert planned.params("TRANSITION", "IGNORE") == {
        "CAMPAIGN_ID": summer["campaignId"],
        "LIST_ID": "0",
        "LIST_NAME": "July",
        "CREATE_COPY_SETTING": "TRANSITION",
        "DUPLICATE_ACTION_SETTING": "IGNORE",
    }


def test_plan_move_ambiguous_or_unknown_list_is_rejected(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move, summer: Row
) -> None:
    with pytest.raises(NotFound, match="has no list 'Moved by a tset'"):
        plan(ringcx_sandbox, target_campaign=summer["campaignId"], target_list="Moved by a tset")
    move({"leadIds": ids[:1]})
    named = plan(ringcx_sandbox, target_campaign=summer["campaignId"], target_list="Moved by a test")
    assert named.list_id in new_lists(ringcx_sandbox)
    move({"leadIds": ids[1:2]})
    with pytest.raises(
        InvalidParameter,
        match=r"^Pass the id, target_list=\d+ or \d+: .* has 2 lists named 'Moved by a test'",
    ):
        plan(ringcx_sandbox, target_campaign=summer["campaignId"], target_list="Moved by a test")


def test_plan_move_between_accounts_is_rejected(ringcx_sandbox: SandboxServer) -> None:
    with pytest.raises(InvalidCriteria, match="source is in 50810002, the target in 50810001"):
        plan(ringcx_sandbox, target_campaign="Summer Win-Back", source_campaign="Solar Consultations")
