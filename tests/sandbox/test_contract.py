"""The sandbox and the published contract: every operation, with data good and bad, and what it answers."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from airflow_provider_engagevoice.sandbox.api.routes import operations
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sandbox.support.contract_requests import (
    ACT,
    ADMIN,
    AGENT,
    AGENT_GROUPS,
    AGENTS,
    CAMPAIGNS,
    CSV,
    DIAL_GROUPS,
    LEADS,
    LOADER,
    PARAMS,
    SEARCH,
    Row,
    World,
    load,
    process,
    some_leads,
)
from tests.sandbox.support.contract_schema import (
    CONFLICTS,
    MISSING,
    Answer,
    Contract,
    find_contract,
    read_contract,
    shallow,
)

PATH = find_contract()
if PATH is None:
    pytest.skip(MISSING, allow_module_level=True)

import schemathesis  # noqa: E402
from schemathesis import GenerationMode  # noqa: E402

CONTRACT = Contract(read_contract(PATH))
SCHEMA = schemathesis.openapi.from_dict(shallow(CONTRACT.document))
OPERATIONS = {operation.label: operation for operation in (each.ok() for each in SCHEMA.get_all_operations())}


@pytest.fixture(scope="module")
def unlimited() -> Iterator[SandboxServer]:
    with SandboxServer(Settings(size=80, limits="off")) as server:
        yield server


@pytest.fixture
def world(unlimited: SandboxServer) -> Iterator[World]:
    unlimited.reset()
    session = requests.Session()
    session.trust_env = False
    tokens = World(unlimited, session).sign_in()
    session.headers["Authorization"] = f"Bearer {tokens['accessToken']}"
    with session:
        yield World.of(unlimited, session)


def answer_of(response: requests.Response) -> Answer:
    kind = response.headers.get("content-type", "").partition(";")[0]
    return Answer(response.status_code, kind, response.content)


# Every operation


def without_names(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_every_operation_of_the_contract_is_served() -> None:
    served = {f"{each.method} {without_names(each.path)}" for each in operations()}
    assert {label for label in OPERATIONS if without_names(label) not in served} == set()


# Generated data


FUZZ = settings(
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=False,
    # No search for a smaller example: it takes minutes, and the failure prints the request.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
MODES = {
    "good": (GenerationMode.POSITIVE, 20),
    "bad": (GenerationMode.NEGATIVE, 8),
}

#: Their only parameter is a header, of which every text is as good as any other.
NO_DATA = {(f"GET /api/auth/token/{name}", "bad") for name in ("claims", "digitaljwt", "validate")}


def act(case: Any, world: World) -> None:
    params = PARAMS.get(case.query.get("leadAction", ""), lambda world: {})(world)
    case.body = {"campaignLeadSearchCriteria": some_leads(world), "leadActionParams": {"paramMap": params}}


def body(make: Callable[[World], object]) -> Callable[[Any, World], None]:
    """Replace the body."""

    def deepen(case: Any, world: World) -> None:
        case.body = make(world)

    return deepen


def fields(**values: object) -> Callable[[Any, World], None]:
    """Add what a body lacks to be accepted, and leave the rest as it was generated."""

    def deepen(case: Any, world: World) -> None:
        case.body = {**case.body, **values} if isinstance(case.body, dict) else values

    return deepen


def query(make: Callable[[World], Row]) -> Callable[[Any, World], None]:
    """Add to the query."""

    def deepen(case: Any, world: World) -> None:
        case.query = {**case.query, **make(world)}

    return deepen


def preview(case: Any, world: World) -> None:
    case.query = {"fileType": "COMMA"}
    case.body = {"file": CSV}


#: What makes a generated request one that RingCX would have something to do for.
DEEPER: Mapping[str, Callable[[Any, World], None]] = {
    ACT: act,
    SEARCH: body(some_leads),
    f"POST {LEADS}/leadSearchByPhoneList": body(
        lambda world: {"file": "\n".join(lead["leadPhone"] for lead in world.leads()[:3]).encode()}
    ),
    f"PATCH {LEADS}/{{leadId}}": fields(leadPhone="4155550187"),
    f"PUT {LEADS}/{{leadId}}": fields(externId="contract-1", leadPhone="4155550187"),
    f"POST {LOADER}/direct": body(load),
    f"POST {LOADER}/preview": preview,
    f"POST {LOADER}/process": body(process),
    f"POST {DIAL_GROUPS}": fields(dialGroupName="Contract"),
    f"PUT {DIAL_GROUPS}/{{dialGroupId}}": fields(dialGroupName="Contract"),
    f"POST {CAMPAIGNS}": fields(campaignName="Contract", isActive=1),
    f"PUT {CAMPAIGNS}/{{campaignId}}": fields(campaignName="Contract", isActive=1),
    f"POST {AGENT_GROUPS}": fields(groupName="Contract"),
    f"PUT {AGENT_GROUPS}/{{agentGroupId}}": fields(groupName="Contract"),
    f"POST {AGENTS}": body(lambda world: AGENT),
    f"PUT {AGENTS}/{{agentId}}": body(lambda world: AGENT),
    f"PUT {AGENTS}": body(lambda world: [{**AGENT, "agentId": world.ids["agentId"]}]),
    f"PUT {DIAL_GROUPS}/{{dialGroupId}}/assignAgents": body(
        lambda world: [{"agentId": world.ids["agentId"], "dialGroupId": world.ids["dialGroupId"]}]
    ),
    "POST /api/auth/login/rc/accesstoken": query(
        lambda world: {"rcAccessToken": world.platform_token(), "rcTokenType": "Bearer"}
    ),
    "POST /api/auth/login/admin": query(
        lambda world: {
            "username": "sandbox-user",
            "password": "sandbox-password",
            "platformId": "sandbox-platform",
        }
    ),
    "POST /api/auth/token/refresh": query(lambda world: {"refresh_token": world.sign_in()["refreshToken"]}),
    "POST /voice/api/v1/auth/login": query(
        lambda world: {"username": "sandbox-user", "password": "sandbox-password"}
    ),
}


def place(case: Any, world: World, depth: int) -> None:
    """Let a generated request reach further into the sandbox.

    :param depth: 0 leaves it as it is, 1 names real ids in its path and query, 2 asks for something
        that there is.
    """
    if depth == 0:
        return
    case.path_parameters = {name: world.ids[name] for name in case.path_parameters or {}}
    if "campaignId" in (case.query or {}):
        case.query = {**case.query, "campaignId": world.ids["campaignId"]}
        case.query.pop("listId", None)
    for name in [name for name in case.headers or {} if name.lower() == "authorization"]:
        del case.headers[name]
    if depth == 2:
        DEEPER.get(case.operation.label, lambda case, world: None)(case, world)


@pytest.mark.parametrize(
    ("label", "mode"),
    [(label, mode) for label in sorted(OPERATIONS) for mode in sorted(MODES) if (label, mode) not in NO_DATA],
)
def test_any_data_gets_an_answer_that_fits(world: World, label: str, mode: str) -> None:
    generation, examples = MODES[mode]
    statuses: Counter[int] = Counter()

    @settings(FUZZ, max_examples=examples)
    @given(
        case=OPERATIONS[label].as_strategy(generation_mode=generation), depth=st.sampled_from([2, 1, 2, 0])
    )
    def send(case: Any, depth: int) -> None:
        place(case, world, depth)
        response = case.call(base_url=world.server.url, session=world.session)
        kind = (response.headers.get("content-type") or [""])[0].partition(";")[0]
        answer = Answer(response.status_code, kind, response.content or b"")
        statuses[answer.status] += 1
        assert CONTRACT.problems(label, answer) == [], case.as_curl_command()

    send()
    if mode == "good":
        assert any(status < 300 for status in statuses), f"no example was accepted: {statuses}"


FIXED = "callingConfiguration"


def is_storable(case: Any) -> bool:
    """Tell whether a body has none of the characters that are refused."""
    return "\\u0000" not in json.dumps(case.body)


@pytest.mark.parametrize(
    ("collection", "key"),
    [
        (DIAL_GROUPS, "dialGroupId"),
        (CAMPAIGNS, "campaignId"),
        (AGENT_GROUPS, "agentGroupId"),
        (AGENTS, "agentId"),
    ],
    ids=["dial group", "campaign", "agent group", "agent"],
)
def test_what_is_made_is_found_replaced_and_gone_again(world: World, collection: str, key: str) -> None:
    one = f"{collection}/{{{key}}}"
    create, replace = f"POST {collection}", f"PUT {one}"

    @settings(FUZZ, max_examples=8)
    @given(
        made=OPERATIONS[create].as_strategy().filter(is_storable),
        changed=OPERATIONS[replace].as_strategy().filter(is_storable),
    )
    def live(made: Any, changed: Any) -> None:
        place(made, world, 2)
        created = world.ask(create, made.body)
        assert created.status_code == 201, created.text
        world.ids[key] = created.json()[key]
        assert world.ask(f"GET {one}").json() == created.json()
        place(changed, world, 2)
        # Fixed once a campaign is there. Source: guide.
        changed.body |= {
            name: created.json()[name] for name in ["callingConfiguration"] if name in created.json()
        }
        replaced = world.ask(replace, changed.body)
        assert replaced.status_code == 200, replaced.text
        assert world.ask(f"GET {one}").json() == replaced.json()
        listed = world.ask(f"GET {collection}", params={"maxRows": 1000}).json()
        assert world.ids[key] in [row[key] for row in listed]
        assert world.ask(f"DELETE {one}").json() is True
        assert world.ask(f"GET {one}").status_code == 404

    live()


# Seeded data, strictly


@dataclass(frozen=True)
class Sample:
    """A request as programs send it.

    :param label: the operation.
    :param json: makes its body; None for no JSON body.
    :param how: makes the rest.
    :param status: what is answered.
    """

    label: str
    json: Callable[[World], object] | None = None
    how: Callable[[World], Row] = lambda world: {}
    status: int = 200


def acting(name: str) -> Sample:
    """Sample one of the 13 actions."""

    def make(world: World) -> Row:
        params = PARAMS.get(name, lambda world: {})(world)
        return {"campaignLeadSearchCriteria": some_leads(world), "leadActionParams": {"paramMap": params}}

    return Sample(ACT, make, lambda world: {"params": {"leadAction": name}})


def many_filters(world: World) -> Row:
    return {
        "campaignIds": [world.ids["campaignId"]],
        "leadStates": ["READY", "ACTIVE", "COMPLETE", "DO-NOT-CALL"],
        "leadPassesCriteria": {"operator": "LESS_THAN", "value": 9},
        "nextDialTimeCriteria": {"operator": "GREATER_THAN", "value": "2019-01-01T01:01:01.000+0000"},
        "suppressed": "ALL",
    }


READS = {label: Sample(label) for label in OPERATIONS if label.startswith("GET ")}
ACTION_NAMES = next(
    parameter["schema"]["enum"]
    for parameter in CONTRACT.document["paths"][ACT.split(" ")[1]]["put"]["parameters"]
    if parameter["name"] == "leadAction"
)
ACTS = {f"{ACT} {name}": acting(name) for name in ACTION_NAMES}
OTHERS = {
    "search all": Sample(SEARCH, lambda world: {}),
    "search with many filters": Sample(SEARCH, many_filters),
    "count": Sample(SEARCH, many_filters, lambda world: {"params": {"count": "true"}}),
    "search by phone list": Sample(
        f"POST {LEADS}/leadSearchByPhoneList",
        how=lambda world: {"files": {"file": "\n".join(lead["leadPhone"] for lead in world.leads())}},
    ),
    "update": Sample(
        f"PATCH {LEADS}/{{leadId}}",
        lambda world: {"auxData3": "paid"},
        lambda world: {"params": {"campaignId": world.ids["campaignId"]}},
    ),
    "replace": Sample(
        f"PUT {LEADS}/{{leadId}}",
        lambda world: {"externId": "one", "leadPhone": "4155550187", "lastName": "Lee"},
        lambda world: {"params": {"campaignId": world.ids["campaignId"]}},
    ),
    "load": Sample(f"POST {LOADER}/direct", load),
    "failed load": Sample(f"POST {LOADER}/direct", lambda world: {"uploadLeads": []}),
    "clear cache": Sample(f"POST {CAMPAIGNS}/{{campaignId}}/clearCache", status=201),
    "assign agents": Sample(
        f"PUT {DIAL_GROUPS}/{{dialGroupId}}/assignAgents",
        lambda world: [{"agentId": world.ids["agentId"], "dialGroupId": world.ids["dialGroupId"]}],
    ),
    "create dial group": Sample(f"POST {DIAL_GROUPS}", lambda world: {"dialGroupName": "New"}, status=201),
    "create campaign": Sample(f"POST {CAMPAIGNS}", lambda world: {"campaignName": "New"}, status=201),
    "create agent group": Sample(f"POST {AGENT_GROUPS}", lambda world: {"groupName": "New"}, status=201),
    "create agent": Sample(f"POST {AGENTS}", lambda world: AGENT, status=201),
    "create token": Sample(f"POST {ADMIN}/token"),
    "delete token": Sample(f"DELETE {ADMIN}/token/{{token}}"),
    "delete campaign": Sample(f"DELETE {CAMPAIGNS}/{{campaignId}}"),
    "delete dial group": Sample(f"DELETE {DIAL_GROUPS}/{{dialGroupId}}"),
    "exchange": Sample(
        "POST /api/auth/login/rc/accesstoken",
        how=lambda world: {
            "params": {"includeRefresh": "true"},
            "data": {"rcAccessToken": world.platform_token(), "rcTokenType": "Bearer"},
        },
    ),
    "refresh": Sample(
        "POST /api/auth/token/refresh",
        how=lambda world: {"data": {"refresh_token": world.sign_in()["refreshToken"]}},
    ),
    "legacy login": Sample(
        "POST /voice/api/v1/auth/login",
        how=lambda world: {"data": {"username": "sandbox-user", "password": "sandbox-password"}},
    ),
    "preview": Sample(
        f"POST {LOADER}/preview",
        how=lambda world: {"params": {"fileType": "COMMA"}, "files": {"file": ("a.csv", CSV)}},
        status=201,
    ),
    "process": Sample(f"POST {LOADER}/process", process, status=202),
    "bad criteria": Sample(SEARCH, lambda world: {"leadIds": ["x"]}, status=400),
    "bad account": Sample(
        f"GET {DIAL_GROUPS}", how=lambda world: world.ids.update(accountId="1") or {}, status=403
    ),
    "bad id": Sample(
        f"DELETE {DIAL_GROUPS}/{{dialGroupId}}",
        how=lambda world: world.ids.update(dialGroupId=1) or {},
        status=404,
    ),
    "no token": Sample(
        f"GET {ADMIN}/accounts", how=lambda world: {"headers": {"Authorization": ""}}, status=401
    ),
}
SAMPLES = {**READS, **ACTS, **OTHERS}


@dataclass(frozen=True)
class Talk:
    """A request's JSON body, if it has one, and its answer."""

    label: str
    body: object
    answer: Answer


def talk(world: World, sample: Sample) -> Talk:
    how = sample.how(world)
    sent = sample.json(world) if sample.json else None
    return Talk(sample.label, sent, answer_of(world.ask(sample.label, sent, **how)))


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_field_of_a_seeded_answer_is_as_the_contract_has_it(world: World, name: str) -> None:
    sample = SAMPLES[name]
    said = talk(world, sample)
    assert said.answer.status == sample.status, said.answer.body
    assert CONTRACT.problems(sample.label, said.answer, closed=True) == []
    if said.body is not None and sample.status < 300:
        assert CONTRACT.body_problems(sample.label, said.body) == []
    if sample in ACTS.values():
        assert said.answer.json()["success"] is True


def test_each_known_conflict_is_one(unlimited: SandboxServer, world: World) -> None:
    """What no answer and no request needs any more must leave the list."""
    said = []
    for name in sorted(SAMPLES):
        unlimited.reset()
        said.append(talk(World.of(unlimited, world.session), SAMPLES[name]))
    for conflict in CONFLICTS:
        others = tuple(each for each in CONFLICTS if each is not conflict)
        unmended = Contract(read_contract(PATH, others))
        found = [
            problem
            for each in said
            for problem in [
                *unmended.problems(each.label, each.answer, closed=True),
                *(unmended.body_problems(each.label, each.body) if each.body is not None else ()),
            ]
        ]
        assert found, conflict.name
