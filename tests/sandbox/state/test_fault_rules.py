"""Which requests meet a fault: the next ones, by chance, by number, by time, by what they ask for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.api.routes import names
from airflow_provider_engagevoice.sandbox.faults.registry import FAULT_KINDS
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.state.fault_rules import FaultRule, FaultRules
from tests.sandbox.support.faults import SetFault, in_force, in_threads, over_http


def pattern(api: Any, count: int) -> str:
    """Send requests; each is written as ``.``, or ``x`` where it met a 503."""
    return "".join(".x"[api.get("dialGroups").status_code == 503] for _ in range(count))


# How many, and which


def test_the_next_request_meets_it_where_nothing_else_is_said(api: Any, fault: SetFault) -> None:
    fault("status")
    assert pattern(api, 4) == "x..."


def test_the_next_so_many_meet_it(sandbox: SandboxServer, api: Any, fault: SetFault) -> None:
    fault("status", times=3)
    assert pattern(api, 2) == "xx"
    assert [(rule["times"], rule["met"]) for rule in in_force(sandbox)] == [(3, 2)]
    assert pattern(api, 3) == "x.."
    assert in_force(sandbox) == []


def test_some_pass_first(api: Any, fault: SetFault) -> None:
    fault("status", skip=2)
    assert pattern(api, 5) == "..x.."
    fault("status", skip=1, times=2)
    assert pattern(api, 5) == ".xx.."


def test_requests_by_their_numbers(sandbox: SandboxServer, api: Any, fault: SetFault) -> None:
    api.get("dialGroups")
    fault("status", at=[4, 2, 2])
    assert pattern(api, 3) == ".x."
    assert len(in_force(sandbox)) == 1
    assert pattern(api, 4) == "x..."
    assert in_force(sandbox) == []


def test_numbers_and_times_and_skip_go_together(api: Any, fault: SetFault) -> None:
    fault("status", at=[1, 2, 4, 5], times=2, skip=1)
    assert pattern(api, 8) == ".x.x...."


def test_by_chance_but_the_same_for_a_seed(api: Any, fault: SetFault, sandbox: SandboxServer) -> None:
    drawn = []
    for seed in (5, 5, 6):
        requests.delete(f"{sandbox.url}/sandbox/faults", timeout=20)
        assert fault("status", chance=0.5, seed=seed)["seed"] == seed
        drawn.append(pattern(api, 30))
    assert drawn[0] == drawn[1] != drawn[2]
    assert 5 < drawn[0].count("x") < 25
    sandbox.clear_faults()
    fault("status", chance=0.5)
    without_seed = pattern(api, 30)
    sandbox.clear_faults()
    fault("status", chance=0.5, seed=1)
    assert pattern(api, 30) == without_seed


def test_chance_at_its_ends(api: Any, fault: SetFault, sandbox: SandboxServer) -> None:
    fault("status", chance=0)
    assert pattern(api, 10) == "." * 10
    fault("status", chance=1, times=4)
    assert pattern(api, 6) == "xxxx.."


def test_by_time(sandbox: SandboxServer, api: Any, fault: SetFault) -> None:
    fault("status", start=60, seconds=30)
    assert pattern(api, 2) == ".."
    sandbox.advance(55)
    assert pattern(api, 1) == "."
    sandbox.advance(5)
    assert pattern(api, 3) == "xxx"
    sandbox.advance(25)
    assert pattern(api, 1) == "x"
    assert len(in_force(sandbox)) == 1
    sandbox.advance(5)
    assert in_force(sandbox) == []
    assert pattern(api, 2) == ".."


def test_requests_before_the_start_are_not_counted(sandbox: SandboxServer, api: Any, fault: SetFault) -> None:
    fault("status", start=10, at=[2])
    assert pattern(api, 3) == "..."
    sandbox.advance(10)
    assert pattern(api, 3) == ".x."


def test_a_start_alone_is_for_the_first_request_after_it(
    sandbox: SandboxServer, api: Any, fault: SetFault
) -> None:
    fault("status", start=10)
    assert pattern(api, 1) == "."
    sandbox.advance(10)
    assert pattern(api, 2) == "x."


# What is asked for


def test_operations_are_told_apart(sandbox: SandboxServer, api: Any, fault: SetFault) -> None:
    fault("status", operation="lead_count", times=5)
    assert api.get("dialGroups").status_code == 200
    assert api.post_search({}).status_code == 200
    assert api.post_search({}, count="false").status_code == 200
    assert api.post_search({}, count="true").status_code == 503
    fault("status", operation="lead_search")
    assert api.post_search({}).status_code == 503
    assert api.post_search({}, count="true").status_code == 503
    assert [rule["operation"] for rule in in_force(sandbox)] == ["lead_count"]


def test_any_operation_is_meant_where_none_is_named(sandbox: SandboxServer, fault: SetFault) -> None:
    fault("status", times=3)
    paths = ["/restapi/oauth/token", "/api/auth/login/admin", "/voice/api/v1/auth/login"]
    assert [requests.post(sandbox.url + path, timeout=20).status_code for path in paths] == [503] * 3


def test_a_fault_comes_before_the_token_is_looked_at(sandbox: SandboxServer, fault: SetFault) -> None:
    fault("status")
    path = f"{sandbox.url}/voice/api/v1/admin/accounts"
    assert [requests.get(path, timeout=20).status_code for _ in range(2)] == [503, 401]


def test_the_sandbox_s_own_paths_meet_no_faults(sandbox: SandboxServer, api: Any, fault: SetFault) -> None:
    fault("status", times=100)
    for path in ("/sandbox/faults", "/sandbox/requests", "/nothing", "/voice/api/nothing"):
        assert requests.get(sandbox.url + path, timeout=20).status_code != 503
    assert pattern(api, 1) == "x"


def test_only_requests_that_ask_for_it(sandbox: SandboxServer, api: Any, fault: SetFault, leads: Any) -> None:
    fault("status", operation="lead_action", where={"leadAction": "PAUSE_LEADS"}, at=[2])
    body = {"campaignLeadSearchCriteria": {"leadIds": [leads[0]["leadId"]]}}
    actions = ["READY_LEADS", "PAUSE_LEADS", "READY_LEADS", "PAUSE_LEADS", "PAUSE_LEADS"]
    assert [api.put_action(action, body).status_code for action in actions] == [200, 200, 200, 503, 200]


def test_only_one_account_or_campaign(sandbox: SandboxServer, api: Any, fault: SetFault) -> None:
    fault("status", where={"account": "50810002"}, times=2)
    assert pattern(api, 2) == ".."
    api.account = "50810002"
    assert pattern(api, 1) == "x"
    fault("status", where={"account": "50810002", "page": "1"})
    assert pattern(api, 2) == "x."
    assert api.get("dialGroups", page="1").status_code == 503


# Several rules


def test_the_rule_set_first_answers_and_the_other_waits(
    sandbox: SandboxServer, api: Any, fault: SetFault
) -> None:
    fault("status", status=502)
    fault("status", status=504, times=2)
    statuses = [api.get("dialGroups").status_code for _ in range(4)]
    assert statuses == [502, 504, 504, 200]
    assert [request.fault for request in sandbox.requests] == ["status"] * 3 + [""]


def test_rules_count_requests_that_another_one_answered(api: Any, fault: SetFault) -> None:
    fault("status", status=502, at=[1])
    fault("status", status=504, at=[2])
    assert [api.get("dialGroups").status_code for _ in range(3)] == [502, 504, 200]


def test_faults_that_do_not_answer_add_up(sandbox: SandboxServer, api: Any, fault: SetFault) -> None:
    fault("short_page", rows=5)
    fault("short_page", rows=2)
    fault("status")
    fault("slow", delay=0, at=[1, 2])
    assert api.post_search({}).status_code == 503
    assert [request.fault for request in sandbox.requests] == ["short_page, short_page, status"]
    # Who comes after an answer has counted the request, and not met it.
    assert [(rule["kind"], rule["met"]) for rule in in_force(sandbox)] == [("slow", 0)]
    fault("short_page", rows=5)
    fault("short_page", rows=2)
    assert len(api.search({})) == 2
    assert sandbox.requests[-1].fault == "slow, short_page, short_page"


def test_of_two_requests_at_a_time_exactly_one_meets_it(sandbox: SandboxServer, api_of: Any) -> None:
    callers = [api_of(sandbox) for _ in range(10)]
    with ThreadPoolExecutor(len(callers)) as pool:
        for _ in range(8):
            sandbox.fault("status")
            statuses = list(pool.map(lambda api: api.get("dialGroups").status_code, callers))
            assert sorted(statuses) == [200] * 9 + [503]
        sandbox.fault("status", at=[2, 5, 6])
        statuses = list(pool.map(lambda api: api.get("dialGroups").status_code, callers))
    assert statuses.count(503) == 3


def test_no_request_slips_in_between_two_counts() -> None:
    for _ in range(30):
        rules = FaultRules()
        rules.add(FaultRule("html", FAULT_KINDS["html"](), times=10), 0.0)
        rules.add(FaultRule("slow", FAULT_KINDS["slow"](), at=[5, 50, 80]), 0.0)
        found = in_threads(lambda: [rules.of("accounts", {}, 1.0) for _ in range(10)])  # noqa: B023
        met = [rule.kind for each in found for several in each for rule in several]
        assert met.count("html") == 10
        # The fifth was answered by the other rule.
        assert met.count("slow") == 2


# Asking, reading, taking back


def test_what_is_set_can_be_read(sandbox: SandboxServer, api: Any, fault: SetFault) -> None:
    first = fault("drop", operation="lead_action", where={"leadAction": "PAUSE_LEADS"}, when="after", times=2)
    second = fault("rate_limited", chance=0.25, seed=9, start=1, seconds=2.5, retry_after=None)
    assert in_force(sandbox) == [first, second]
    assert {name: first[name] for name in ("kind", "operation", "where", "when", "times", "met")} == {
        "kind": "drop",
        "operation": "lead_action",
        "where": {"leadAction": "PAUSE_LEADS"},
        "when": "after",
        "times": 2,
        "met": 0,
    }
    assert {name: second[name] for name in ("chance", "seed", "start", "seconds", "retry_after")} == {
        "chance": 0.25,
        "seed": 9,
        "start": 1,
        "seconds": 2.5,
        "retry_after": None,
    }


@pytest.mark.parametrize("way", ["delete", "python", "reset", "reset-http"])
def test_faults_can_be_taken_back(sandbox: SandboxServer, api: Any, way: str) -> None:
    sandbox.fault("status", times=5)
    sandbox.fault("html", seconds=60)
    if way == "delete":
        response = requests.delete(f"{sandbox.url}/sandbox/faults", timeout=20)
        assert (response.status_code, response.json()) == (200, [])
    elif way == "python":
        sandbox.clear_faults()
    elif way == "reset":
        sandbox.reset()
    else:
        assert requests.post(f"{sandbox.url}/sandbox/reset", timeout=20).status_code == 200
    assert in_force(sandbox) == []
    assert pattern(api, 2) == ".."


@pytest.mark.parametrize("kind", sorted(set(FAULT_KINDS) - {"meanwhile"}))
def test_each_kind_can_be_asked_for_with_nothing_but_its_name(sandbox: SandboxServer, kind: str) -> None:
    rule = over_http(sandbox)(kind)
    assert rule.items() >= {"kind": kind, "operation": "*", "times": 1, "met": 0}.items()
    assert [each["kind"] for each in in_force(sandbox)] == [kind]


def test_every_operation_can_be_named(sandbox: SandboxServer) -> None:
    for name in sorted(names()):
        assert sandbox.fault("status", operation=name)["operation"] == name
