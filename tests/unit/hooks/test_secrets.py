"""Tests that no secret appears in a log, an error or a repr."""

from __future__ import annotations

import io
import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import FakeClock, Fault
from tests.unit.hooks.conftest import Connect

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

AUTH_METHODS = ["ringcentral", "api_token", "engage", "legacy"]
FIXED_SECRETS = ("sandbox-secret", "sandbox-jwt", "sandbox-password", "sandbox-token")


@pytest.fixture
def secrets(issued_tokens: list[str]) -> list[str]:
    """All secrets: the sandbox's credentials, and every token that it issues during the test."""
    issued_tokens += FIXED_SECRETS
    return issued_tokens


@pytest.fixture
def logged(masker: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Return a function that returns the records of all loggers, masked as in a task's log."""
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


def format_error(error: BaseException) -> str:
    """Return everything that a log may contain of an exception, including its causes."""
    shown = "".join(traceback.format_exception(error))
    return f"{error} {error!r} {vars(error)} {shown}"


def find_secrets(secrets: list[str], text: str) -> list[str]:
    return [secret for secret in secrets if secret in text]


RINGCX_SIGN_IN = ("token_exchange", "token_refresh", "admin_login")
SIGN_IN = ("platform_token", "legacy_login", *RINGCX_SIGN_IN)
CAMPAIGN_LOOKUP = ("dial_groups_with_children",)
REJECTED = {"kind": "answer", "status": 401, "content_type": "text/plain"}
REDIRECT = {"kind": "answer", "status": 302, "headers": {"Location": "https://elsewhere.example/?password=x"}}

FAULTS: dict[str, tuple[tuple[str, ...], Fault]] = {
    "none": ((), {}),
    "sign-in-rejected": (RINGCX_SIGN_IN, {**REJECTED, "body": "Bad credentials"}),
    "sign-in-fails": (SIGN_IN, {"kind": "status", "status": 500}),
    "sign-in-limited": (SIGN_IN, {"kind": "rate_limited", "retry_after": None}),
    "sign-in-dropped": (SIGN_IN, {"kind": "drop"}),
    "sign-in-unreadable": (SIGN_IN, {"kind": "html"}),
    "sign-in-redirected": (SIGN_IN, REDIRECT),
    "request-rejected": (CAMPAIGN_LOOKUP, {**REJECTED, "body": "Jwt is expired"}),
    "request-denied": (CAMPAIGN_LOOKUP, {"kind": "status", "status": 403}),
    "request-dropped": (CAMPAIGN_LOOKUP, {"kind": "drop"}),
    "request-unreadable": (CAMPAIGN_LOOKUP, {"kind": "answer", "body": "{"}),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", AUTH_METHODS)
def test_no_secret_in_logs_errors_or_reprs(
    ringcx_sandbox: SandboxServer,
    connect: Connect,
    secrets: list[str],
    logged: Callable[[], str],
    clock: FakeClock,
    method: str,
    fault: str,
) -> None:
    hook = connect(method)
    shown = [repr(hook)]
    operations, options = FAULTS[fault]
    for operation in operations:
        ringcx_sandbox.fault(**options, operation=operation, chance=1)
    for prepare in (lambda: None, ringcx_sandbox.expire_tokens, ringcx_sandbox.revoke_tokens):
        prepare()
        clock.offset += 250
        try:
            hook.find_campaign("Spring Renewals")
        except EngageVoiceError as error:
            shown.append(format_error(error))
        shown.append(str(hook.test_connection()))
    client = hook.get_conn()
    shown += [repr(part) for part in (client, client.authenticator, client.transport, client.campaigns)]
    shown += [repr(client.leads()), repr(client.lead_actions()), str(vars(client))]
    assert "Starting new HTTP connection" in logged()
    assert find_secrets(secrets, logged()) == []
    assert find_secrets(secrets, " ".join(shown)) == []


def test_unmasked_word_appears_in_the_log(logged: Callable[[], str]) -> None:
    """Check that the fixture ``logged`` would reveal a secret."""
    logging.getLogger("urllib3").debug("GET /?password=%s", "unmasked-word")
    assert "unmasked-word" in logged()


@pytest.mark.parametrize("password", ["two words", "per%cent&more", "plus+sign/slash", "umlaut-ü"])
def test_password_in_the_query_is_masked_in_the_log(
    connect: Connect, logged: Callable[[], str], password: str
) -> None:
    from urllib.parse import quote, quote_plus

    connect("engage", password=password).test_connection()
    assert '"POST /api/auth/login/admin HTTP/1.1"' in logged()
    assert find_secrets([password, quote_plus(password), quote(password, safe="")], logged()) == []


def test_tokens_are_masked_when_they_are_parsed(
    connect: Connect, secrets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    masked: list[str] = []
    monkeypatch.setattr("airflow_provider_engagevoice.hooks.client_factory.mask_secret", masked.append)
    hook = connect()
    hook.get_conn()
    assert masked == []
    hook.find_campaign("Spring Renewals")
    # The second issued token is the refresh token of RingCentral, which the client does not use.
    unused = {"sandbox-password", "sandbox-token", secrets[len(FIXED_SECRETS) + 1]}
    assert set(secrets) - unused == set(masked)
