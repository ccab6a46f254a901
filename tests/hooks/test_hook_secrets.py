"""Nothing secret reaches a log, an error or a screen, whatever goes wrong."""

from __future__ import annotations

import io
import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_engagevoice.hooks import connection
from airflow_provider_engagevoice.ringcx.errors import EngageVoiceError
from airflow_provider_engagevoice.sandbox import tokens as issued
from airflow_provider_engagevoice.sandbox.server import SandboxServer
from tests.faults import Fault, Faults, answer, drop
from tests.hooks.conftest import Connect
from tests.ringcx.clients import Clock

METHODS = ["ringcentral", "api_token", "engage", "legacy"]
WORDS = ("sandbox-secret", "sandbox-jwt", "sandbox-password", "sandbox-token")


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All secrets: the sandbox's fixed words, and every token it gives out from now on."""
    known = list(WORDS)
    original = issued.Family.issue

    def issue(family: Any) -> str:
        known.append(original(family))
        return known[-1]

    monkeypatch.setattr(issued.Family, "issue", issue)
    return known


@pytest.fixture
def logged(masker: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """All that is logged at any level, by anyone, as Airflow's masking leaves it in a task's log."""
    if hasattr(masker, "mask_secrets_in_logs"):
        monkeypatch.setattr(type(masker), "mask_secrets_in_logs", True)
    else:
        monkeypatch.setattr("airflow.settings.MASK_SECRETS_IN_LOGS", True)
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.addFilter(masker)
    names = ("", "urllib3", "requests", "airflow_provider_engagevoice")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    yield text.getvalue
    logging.getLogger().removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def everything_about(error: BaseException) -> str:
    """All that a log may show of an exception, its causes included."""
    shown = "".join(traceback.format_exception(error))
    return f"{error} {error!r} {vars(error)} {shown}"


def found(secrets: list[str], text: str) -> list[str]:
    return [secret for secret in secrets if secret in text]


FAULTS: dict[str, tuple[str, Fault] | None] = {
    "none": None,
    "sign-in-refused": ("/api/auth/", answer(401, "Bad credentials", "text/plain")),
    "sign-in-fails": ("auth", answer(500, {"generalMessage": "Broken"})),
    "sign-in-limited": ("auth", answer(429)),
    "sign-in-dropped": ("auth", drop()),
    "sign-in-unreadable": ("auth", answer(200, "<html>", "text/html")),
    "sign-in-redirected": ("auth", answer(302, Location="https://elsewhere.example/?password=x")),
    "request-refused": ("/dialGroups", answer(401, "Jwt is expired", "text/plain")),
    "request-denied": ("/dialGroups", answer(403)),
    "request-dropped": ("/dialGroups", drop()),
    "request-unreadable": ("/dialGroups", answer(200, "{")),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", METHODS)
def test_no_secret_is_shown(
    sandbox: SandboxServer,
    faults: Faults,
    connect: Connect,
    secrets: list[str],
    logged: Callable[[], str],
    clock: Clock,
    method: str,
    fault: str,
) -> None:
    hook = connect(method)
    shown = [repr(hook)]
    rule = FAULTS[fault]
    if rule is not None:
        faults.on(rule[0], rule[1], forever=True)
    for prepare in (lambda: None, sandbox.expire_tokens, sandbox.revoke_tokens):
        prepare()
        clock.moved += 250
        try:
            hook.find_campaign("Spring Renewals")
        except EngageVoiceError as error:
            shown.append(everything_about(error))
        shown.append(str(hook.test_connection()))
    client = hook.get_conn()
    shown += [repr(part) for part in (client, client.sign_in, client.transport, client.campaigns)]
    shown += [repr(client.leads()), repr(client.lead_actions()), str(vars(client))]
    assert "Starting new HTTP connection" in logged()
    assert found(secrets, logged()) == []
    assert found(secrets, " ".join(shown)) == []


def test_the_log_above_would_show_a_secret_that_nobody_masks(logged: Callable[[], str]) -> None:
    logging.getLogger("urllib3").debug("GET /?password=%s", "unmasked-word")
    assert "unmasked-word" in logged()


@pytest.mark.parametrize("password", ["two words", "per%cent&more", "plus+sign/slash", "umlaut-ü"])
def test_a_password_in_the_query_never_reaches_the_log(
    connect: Connect, logged: Callable[[], str], password: str
) -> None:
    from urllib.parse import quote, quote_plus

    connect("engage", password=password).test_connection()
    assert '"POST /api/auth/login/admin HTTP/1.1"' in logged()
    assert found([password, quote_plus(password), quote(password, safe="")], logged()) == []


def test_tokens_are_masked_the_moment_they_are_parsed(
    connect: Connect, secrets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    masked: list[str] = []
    monkeypatch.setattr(connection, "mask_secret", masked.append)
    hook = connect()
    hook.get_conn()
    assert masked == []
    hook.find_campaign("Spring Renewals")
    assert set(secrets) - {"sandbox-password", "sandbox-token"} == set(masked)
