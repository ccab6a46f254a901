"""Conformance of the sandbox to the published contract, for every operation with valid and invalid data."""

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
    ContractClient,
    Row,
    load,
    process,
    some_leads,
)
from tests.sandbox.support.contract_schema import (
    CONFLICTS,
    MISSING,
    CapturedResponse,
    Contract,
    find_contract,
    read_contract,
    shallow,
)

_FOUND = find_contract()
if _FOUND is None:
    pytest.skip(MISSING, allow_module_level=True)
CONTRACT_PATH = _FOUND

import schemathesis  # noqa: E402
from schemathesis import GenerationMode  # noqa: E402

CONTRACT = Contract(read_contract(CONTRACT_PATH))
SCHEMA = schemathesis.openapi.from_dict(shallow(CONTRACT.document))
OPERATIONS = {operation.label: operation for operation in (each.ok() for each in SCHEMA.get_all_operations())}


@pytest.fixture(scope="module")
def unlimited() -> Iterator[SandboxServer]:
    with SandboxServer(Settings(size=80, limits="off")) as server:
        yield server


@pytest.fixture
def client(unlimited: SandboxServer) -> Iterator[ContractClient]:
    unlimited.reset()
    session = requests.Session()
    session.trust_env = False
    tokens = ContractClient(unlimited, session).sign_in()
    session.headers["Authorization"] = f"Bearer {tokens['accessToken']}"
    with session:
        yield ContractClient.create(unlimited, session)


def capture(response: requests.Response) -> CapturedResponse:
    kind = response.headers.get("content-type", "").partition(";")[0]
    return CapturedResponse(response.status_code, kind, response.content)


# Coverage


def without_names(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_contract_operations_are_all_served() -> None:
    served = {f"{each.method} {without_names(each.path)}" for each in operations()}
    assert {label for label in OPERATIONS if without_names(label) not in served} == set()


# Generated data


FUZZ = settings(
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=False,
    # Without shrinking: it takes minutes, and the failure prints the request.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
MODES = {
    "valid": (GenerationMode.POSITIVE, 20),
    "invalid": (GenerationMode.NEGATIVE, 8),
}

#: Their only parameter is a header that accepts any string, so there is no invalid data.
NO_DATA = {(f"GET /api/auth/token/{name}", "invalid") for name in ("claims", "digitaljwt", "validate")}


def act(case: Any, client: ContractClient) -> None:
    params = PARAMS.get(case.query.get("leadAction", ""), lambda client: {})(client)
    case.body = {"campaignLeadSearchCriteria": some_leads(client), "leadActionParams": {"paramMap": params}}


def body(make: Callable[[ContractClient], object]) -> Callable[[Any, ContractClient], None]:
    """Return a function that replaces the body."""

    def fill(case: Any, client: ContractClient) -> None:
        case.body = make(client)

    return fill


def fields(**values: object) -> Callable[[Any, ContractClient], None]:
    """Return a function that adds the fields required for success to a generated body."""

    def fill(case: Any, client: ContractClient) -> None:
        case.body = {**case.body, **values} if isinstance(case.body, dict) else values

    return fill


def query(make: Callable[[ContractClient], Row]) -> Callable[[Any, ContractClient], None]:
    """Return a function that adds query parameters."""

    def fill(case: Any, client: ContractClient) -> None:
        case.query = {**case.query, **make(client)}

    return fill


def preview(case: Any, client: ContractClient) -> None:
    case.query = {"fileType": "COMMA"}
    case.body = {"file": CSV}


#: Functions that change a generated request so that it can succeed.
VALID_DATA: Mapping[str, Callable[[Any, ContractClient], None]] = {
    ACT: act,
    SEARCH: body(some_leads),
    f"POST {LEADS}/leadSearchByPhoneList": body(
        lambda client: {"file": "\n".join(lead["leadPhone"] for lead in client.leads()[:3]).encode()}
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
    f"POST {AGENTS}": body(lambda client: AGENT),
    f"PUT {AGENTS}/{{agentId}}": body(lambda client: AGENT),
    f"PUT {AGENTS}": body(lambda client: [{**AGENT, "agentId": client.ids["agentId"]}]),
    f"PUT {DIAL_GROUPS}/{{dialGroupId}}/assignAgents": body(
        lambda client: [{"agentId": client.ids["agentId"], "dialGroupId": client.ids["dialGroupId"]}]
    ),
    "POST /api/auth/login/rc/accesstoken": query(
        lambda client: {"rcAccessToken": client.platform_token(), "rcTokenType": "Bearer"}
    ),
    "POST /api/auth/login/admin": query(
        lambda client: {
            "username": "sandbox-user",
            "password": "sandbox-password",
            "platformId": "sandbox-platform",
        }
    ),
    "POST /api/auth/token/refresh": query(lambda client: {"refresh_token": client.sign_in()["refreshToken"]}),
    "POST /voice/api/v1/auth/login": query(
        lambda client: {"username": "sandbox-user", "password": "sandbox-password"}
    ),
}


def prepare(case: Any, client: ContractClient, depth: int) -> None:
    """Make a generated request more likely to be accepted.

    :param depth: 0 leaves it unchanged, 1 sets existing ids in its path and query, 2 also sets valid data.
    """
    if depth == 0:
        return
    case.path_parameters = {name: client.ids[name] for name in case.path_parameters or {}}
    if "campaignId" in (case.query or {}):
        case.query = {**case.query, "campaignId": client.ids["campaignId"]}
        case.query.pop("listId", None)
    for name in [name for name in case.headers or {} if name.lower() == "authorization"]:
        del case.headers[name]
    if depth == 2:
        VALID_DATA.get(case.operation.label, lambda case, client: None)(case, client)


@pytest.mark.parametrize(
    ("label", "mode"),
    [(label, mode) for label in sorted(OPERATIONS) for mode in sorted(MODES) if (label, mode) not in NO_DATA],
)
def test_generated_request_gets_valid_response(client: ContractClient, label: str, mode: str) -> None:
    generation, examples = MODES[mode]
    statuses: Counter[int] = Counter()

    @settings(FUZZ, max_examples=examples)
    @given(
        case=OPERATIONS[label].as_strategy(generation_mode=generation), depth=st.sampled_from([2, 1, 2, 0])
    )
    def send(case: Any, depth: int) -> None:
        prepare(case, client, depth)
        response = case.call(base_url=client.server.url, session=client.session)
        kind = (response.headers.get("content-type") or [""])[0].partition(";")[0]
        captured = CapturedResponse(response.status_code, kind, response.content or b"")
        statuses[captured.status] += 1
        assert CONTRACT.problems(label, captured) == [], case.as_curl_command()

    send()
    if mode == "valid":
        assert any(status < 300 for status in statuses), f"no example was accepted: {statuses}"


def is_storable(case: Any) -> bool:
    """Return whether a body contains no rejected characters."""
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
def test_record_is_created_read_replaced_and_deleted(
    client: ContractClient, collection: str, key: str
) -> None:
    one = f"{collection}/{{{key}}}"
    create, replace = f"POST {collection}", f"PUT {one}"

    @settings(FUZZ, max_examples=8)
    @given(
        created_case=OPERATIONS[create].as_strategy().filter(is_storable),
        changed_case=OPERATIONS[replace].as_strategy().filter(is_storable),
    )
    def run_lifecycle(created_case: Any, changed_case: Any) -> None:
        prepare(created_case, client, 2)
        created = client.send(create, created_case.body)
        assert created.status_code == 201, created.text
        client.ids[key] = created.json()[key]
        assert client.send(f"GET {one}").json() == created.json()
        prepare(changed_case, client, 2)
        # Cannot be changed after creation. Source: guide.
        changed_case.body |= {
            name: created.json()[name] for name in ["callingConfiguration"] if name in created.json()
        }
        replaced = client.send(replace, changed_case.body)
        assert replaced.status_code == 200, replaced.text
        assert client.send(f"GET {one}").json() == replaced.json()
        listed = client.send(f"GET {collection}", params={"maxRows": 1000}).json()
        assert client.ids[key] in [row[key] for row in listed]
        assert client.send(f"DELETE {one}").json() is True
        assert client.send(f"GET {one}").status_code == 404

    run_lifecycle()


# Seed data, validated strictly


@dataclass(frozen=True)
class Sample:
    """A request as programs send it.

    :param label: the operation.
    :param json: returns its JSON body; None for no JSON body.
    :param options: returns further arguments of the request.
    :param status: expected status.
    """

    label: str
    json: Callable[[ContractClient], object] | None = None
    options: Callable[[ContractClient], Row] = lambda client: {}
    status: int = 200


def acting(name: str) -> Sample:
    """Return a sample of a lead action."""

    def make(client: ContractClient) -> Row:
        params = PARAMS.get(name, lambda client: {})(client)
        return {"campaignLeadSearchCriteria": some_leads(client), "leadActionParams": {"paramMap": params}}

    return Sample(ACT, make, lambda client: {"params": {"leadAction": name}})


def many_filters(client: ContractClient) -> Row:
    return {
        "campaignIds": [client.ids["campaignId"]],
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
    "search all": Sample(SEARCH, lambda client: {}),
    "search with many filters": Sample(SEARCH, many_filters),
    "count": Sample(SEARCH, many_filters, lambda client: {"params": {"count": "true"}}),
    "search by phone list": Sample(
        f"POST {LEADS}/leadSearchByPhoneList",
        options=lambda client: {"files": {"file": "\n".join(lead["leadPhone"] for lead in client.leads())}},
    ),
    "update": Sample(
        f"PATCH {LEADS}/{{leadId}}",
        lambda client: {"auxData3": "paid"},
        lambda client: {"params": {"campaignId": client.ids["campaignId"]}},
    ),
    "replace": Sample(
        f"PUT {LEADS}/{{leadId}}",
        lambda client: {"externId": "one", "leadPhone": "4155550187", "lastName": "Lee"},
        lambda client: {"params": {"campaignId": client.ids["campaignId"]}},
    ),
    "load": Sample(f"POST {LOADER}/direct", load),
    "failed load": Sample(f"POST {LOADER}/direct", lambda client: {"uploadLeads": []}),
    "clear cache": Sample(f"POST {CAMPAIGNS}/{{campaignId}}/clearCache", status=201),
    "assign agents": Sample(
        f"PUT {DIAL_GROUPS}/{{dialGroupId}}/assignAgents",
        lambda client: [{"agentId": client.ids["agentId"], "dialGroupId": client.ids["dialGroupId"]}],
    ),
    "create dial group": Sample(f"POST {DIAL_GROUPS}", lambda client: {"dialGroupName": "New"}, status=201),
    "create campaign": Sample(f"POST {CAMPAIGNS}", lambda client: {"campaignName": "New"}, status=201),
    "create agent group": Sample(f"POST {AGENT_GROUPS}", lambda client: {"groupName": "New"}, status=201),
    "create agent": Sample(f"POST {AGENTS}", lambda client: AGENT, status=201),
    "create token": Sample(f"POST {ADMIN}/token"),
    "delete token": Sample(f"DELETE {ADMIN}/token/{{token}}"),
    "delete campaign": Sample(f"DELETE {CAMPAIGNS}/{{campaignId}}"),
    "delete dial group": Sample(f"DELETE {DIAL_GROUPS}/{{dialGroupId}}"),
    "exchange": Sample(
        "POST /api/auth/login/rc/accesstoken",
        options=lambda client: {
            "params": {"includeRefresh": "true"},
            "data": {"rcAccessToken": client.platform_token(), "rcTokenType": "Bearer"},
        },
    ),
    "refresh": Sample(
        "POST /api/auth/token/refresh",
        options=lambda client: {"data": {"refresh_token": client.sign_in()["refreshToken"]}},
    ),
    "legacy login": Sample(
        "POST /voice/api/v1/auth/login",
        options=lambda client: {"data": {"username": "sandbox-user", "password": "sandbox-password"}},
    ),
    "preview": Sample(
        f"POST {LOADER}/preview",
        options=lambda client: {"params": {"fileType": "COMMA"}, "files": {"file": ("a.csv", CSV)}},
        status=201,
    ),
    "process": Sample(f"POST {LOADER}/process", process, status=202),
    "bad criteria": Sample(SEARCH, lambda client: {"leadIds": ["x"]}, status=400),
    "bad account": Sample(
        f"GET {DIAL_GROUPS}", options=lambda client: client.ids.update(accountId="1") or {}, status=403
    ),
    "bad id": Sample(
        f"DELETE {DIAL_GROUPS}/{{dialGroupId}}",
        options=lambda client: client.ids.update(dialGroupId=1) or {},
        status=404,
    ),
    "no token": Sample(
        f"GET {ADMIN}/accounts", options=lambda client: {"headers": {"Authorization": ""}}, status=401
    ),
}
SAMPLES = {**READS, **ACTS, **OTHERS}


@dataclass(frozen=True)
class Exchange:
    """JSON body of a request, if any, and its response."""

    label: str
    body: object
    response: CapturedResponse


def exchange(client: ContractClient, sample: Sample) -> Exchange:
    options = sample.options(client)
    body = sample.json(client) if sample.json else None
    return Exchange(sample.label, body, capture(client.send(sample.label, body, **options)))


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_sample_response_fits_contract_strictly(client: ContractClient, name: str) -> None:
    sample = SAMPLES[name]
    exchanged = exchange(client, sample)
    assert exchanged.response.status == sample.status, exchanged.response.body
    assert CONTRACT.problems(sample.label, exchanged.response, closed=True) == []
    if exchanged.body is not None and sample.status < 300:
        assert CONTRACT.body_problems(sample.label, exchanged.body) == []
    if sample in ACTS.values():
        assert exchanged.response.json()["success"] is True


def test_known_conflicts_are_all_needed(unlimited: SandboxServer, client: ContractClient) -> None:
    """A conflict that no request and no response needs must be removed from the list."""
    exchanged = []
    for name in sorted(SAMPLES):
        unlimited.reset()
        exchanged.append(exchange(ContractClient.create(unlimited, client.session), SAMPLES[name]))
    for conflict in CONFLICTS:
        others = tuple(each for each in CONFLICTS if each is not conflict)
        uncorrected = Contract(read_contract(CONTRACT_PATH, others))
        found = [
            problem
            for each in exchanged
            for problem in [
                *uncorrected.problems(each.label, each.response, closed=True),
                *(uncorrected.body_problems(each.label, each.body) if each.body is not None else ()),
            ]
        ]
        assert found, conflict.name
