"""Nothing secret reaches a log, an error or a screen, whatever goes wrong."""

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

METHODS = ["ringcentral", "api_token", "engage", "legacy"]
WORDS = ("sandbox-secret", "sandbox-jwt", "sandbox-password", "sandbox-token")


@pytest.fixture
def secrets(issued_tokens: list[str]) -> list[str]:
    """All secrets: the sandbox's fixed words, and every token it gives out from now on."""
    issued_tokens += WORDS
    return issued_tokens


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


OF_RINGCX = ("token_exchange", "token_refresh", "admin_login")
SIGN_IN = ("platform_token", "legacy_login", *OF_RINGCX)
TREE = ("dial_groups_with_children",)
REFUSED = {"kind": "answer", "status": 401, "content_type": "text/plain"}
REDIRECT = {"kind": "answer", "status": 302, "headers": {"Location": "https://elsewhere.example/?password=x"}}

FAULTS: dict[str, tuple[tuple[str, ...], Fault]] = {
    "none": ((), {}),
    "sign-in-refused": (OF_RINGCX, {**REFUSED, "body": "Bad credentials"}),
    "sign-in-fails": (SIGN_IN, {"kind": "status", "status": 500}),
    "sign-in-limited": (SIGN_IN, {"kind": "rate_limited", "retry_after": None}),
    "sign-in-dropped": (SIGN_IN, {"kind": "drop"}),
    "sign-in-unreadable": (SIGN_IN, {"kind": "html"}),
    "sign-in-redirected": (SIGN_IN, REDIRECT),
    "request-refused": (TREE, {**REFUSED, "body": "Jwt is expired"}),
    "request-denied": (TREE, {"kind": "status", "status": 403}),
    "request-dropped": (TREE, {"kind": "drop"}),
    "request-unreadable": (TREE, {"kind": "answer", "body": "{"}),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", METHODS)
def test_no_secret_is_shown(
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
            shown.append(everything_about(error))
        shown.append(str(hook.test_connection()))
    client = hook.get_conn()
    shown += [repr(part) for part in (client, client.authenticator, client.transport, client.campaigns)]
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
    monkeypatch.setattr("airflow_provider_engagevoice.hooks.client_factory.mask_secret", masked.append)
    hook = connect()
    hook.get_conn()
    assert masked == []
    hook.find_campaign("Spring Renewals")
    # The second token of all is the platform's refresh token, which the client neither uses nor keeps.
    unused = {"sandbox-password", "sandbox-token", secrets[len(WORDS) + 1]}
    assert set(secrets) - unused == set(masked)
