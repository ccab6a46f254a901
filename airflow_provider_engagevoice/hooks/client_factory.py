"""Builds a RingCX client from an Airflow connection."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from airflow_provider_engagevoice import __version__
from airflow_provider_engagevoice.get_provider_info import (
    AUTH_METHODS,
    CONNECTION_TYPE,
    EXTRA_FIELDS,
    HOOK_NAME,
    RELABELING,
)
from airflow_provider_engagevoice.ringcx.auth.base import Authenticator
from airflow_provider_engagevoice.ringcx.auth.schemes import (
    ApiTokenAuth,
    EngageUserAuth,
    LegacyPortalAuth,
    RingCentralJwtAuth,
)
from airflow_provider_engagevoice.ringcx.client import RingCXClient, base_url, is_loopback
from airflow_provider_engagevoice.ringcx.endpoints import check_account_id
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, did_you_mean, without_context
from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.storage.base import StateStore
from airflow_provider_engagevoice.ringcx.storage.registry import HOST, REDIS, open_store
from airflow_provider_engagevoice.ringcx.transport.http import HttpTransport
from airflow_provider_engagevoice.version_compat import mask_secret

if TYPE_CHECKING:
    from airflow_provider_engagevoice.version_compat import Connection


@without_context
def build_client(connection: Connection) -> RingCXClient:
    """Return a client for a connection. Sends no request.

    :param connection: the connection.
    :return: the client.
    :raises InvalidParameter: if the connection lacks a field or has an invalid or unknown one.
    """
    fields = _read_fields(connection)
    host = base_url(connection.host, port=connection.port, scheme=_scheme(connection))
    transport = HttpTransport(
        f"airflow-provider-engagevoice/{__version__} (apache-airflow/{_airflow_version()})"
    )
    timeout = _seconds("timeout", fields["timeout"], most=3600.0, least=0.001)
    if timeout is not None:
        transport.timeout = (min(transport.timeout[0], timeout), timeout)
    method = fields["auth_method"] or AUTH_METHODS[0]
    account_id = fields["account_id"]
    if account_id:
        check_account_id(account_id)
    authenticator = _authenticator(method, host, fields)
    authenticator.mask = mask_secret
    authenticator.store = _open_store(fields)
    transport.limiter = RateLimiter(authenticator.store, **_limits(fields))
    return RingCXClient(host, authenticator, transport, account_id or None, legacy=method == "legacy")


def _read_fields(connection: Connection) -> dict[str, str]:
    """Return user, secret and extras as text without blanks at the ends; empty if they are not set.

    :raises InvalidParameter: if the connection has another type, an extra that is unknown, or Airflow's mask
        in place of a value.
    """
    conn_type = connection.conn_type or CONNECTION_TYPE
    if conn_type.replace("-", "_") != CONNECTION_TYPE:
        raise InvalidParameter(
            f"Choose a connection of type {HOOK_NAME} ({CONNECTION_TYPE}); this one is of type {conn_type!r}"
        )
    values = {
        "login": connection.login,
        "password": connection.password,
        **dict.fromkeys(EXTRA_FIELDS),
        **_read_extra(connection),
    }
    return {name: "" if value is None else _to_text(name, value) for name, value in values.items()}


def _read_extra(connection: Connection) -> Mapping[str, Any]:
    """Return the extras.

    :raises InvalidParameter: if they are no JSON object, or one is unknown.
    """
    extra: Any = connection.extra_dejson
    # Airflow returns an empty object for text that is no JSON.
    text = "".join((connection.extra or "").split())
    if not isinstance(extra, Mapping) or (not extra and text not in ("", "{}", "null")):
        raise InvalidParameter('Write the extra as a JSON object, such as {"account_id": "50810001"}')
    for name in sorted(extra.keys() - EXTRA_FIELDS.keys()):
        # Old versions of Airflow put the connection type before the name.
        hint = did_you_mean(name.removeprefix(f"extra__{CONNECTION_TYPE}__"), EXTRA_FIELDS)
        raise InvalidParameter(f"Remove or correct the extra {name!r}, which is unknown{hint}")
    return extra


def _to_text(name: str, value: object) -> str:
    """Return a field's value as text, without blanks and invisible characters at the ends.

    :raises InvalidParameter: if it is neither text nor a number, or cannot be what the user entered.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise InvalidParameter(f"{_label(name)} must be text or a number, not {type(value).__name__}")
    text = str(value)
    visible = [index for index, character in enumerate(text) if not _is_invisible(character)]
    text = text[visible[0] : visible[-1] + 1] if visible else ""
    if text and not text.strip("*"):
        raise InvalidParameter(
            f"Enter {_label(name)} again, or use `airflow connections test`: Airflow sent its mask "
            f"{text} in place of the saved value, as the Test button of Airflow 3.0 and 3.1 does"
        )
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise InvalidParameter(
            f"Enter {_label(name)} again: it contains a line break or another control character"
        )
    return text


def _is_invisible(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cf")


def _scheme(connection: Connection) -> str | None:
    """Return the scheme that the field schema names; None if it is empty."""
    schema = (connection.schema or "").strip().lower()
    if schema not in ("", "http", "https"):
        raise InvalidParameter(f"The connection's schema must be http, https or empty, not {schema!r}")
    return schema or None


def _label(name: str) -> str:
    """Return the form's label of a field, with its name."""
    label = RELABELING[name] if name in RELABELING else EXTRA_FIELDS[name]["label"]
    return f"{label} ({name})"


def _authenticator(method: str, host: str, fields: Mapping[str, str]) -> Authenticator:
    def require(*names: str) -> list[str]:
        missing = " and ".join(_label(name) for name in names if not fields[name])
        if missing:
            raise InvalidParameter(
                f"Enter {missing}: auth_method {method!r} needs {'it' if ' and ' not in missing else 'them'}"
            )
        return [fields[name] for name in names]

    if method == "ringcentral":
        client_id, secret, jwt = require("login", "password", "jwt_token")
        rc_host = base_url(fields["rc_host"] or RingCentralJwtAuth.rc_host, field="rc_host")
        _check_same_machine(host, rc_host)
        return RingCentralJwtAuth(host, client_id, secret, jwt, rc_host)
    if method == "api_token":
        return ApiTokenAuth(*require("password"))
    if method == "engage":
        return EngageUserAuth(host, *require("login", "password", "platform_id"))
    if method == "legacy":
        return LegacyPortalAuth(host, *require("login", "password"))
    raise InvalidParameter(
        f"The extra auth_method must be one of {', '.join(AUTH_METHODS)}, not {method!r}"
        + did_you_mean(method, AUTH_METHODS)
    )


def _check_same_machine(host: str, rc_host: str) -> None:
    """Raise if only one of both hosts is a sandbox on this machine.

    The credentials of one would be sent to the other.
    """
    if is_loopback(host) and not is_loopback(rc_host):
        raise InvalidParameter(
            f"Set {_label('rc_host')} to {host}, too: RingCentral's platform must not get the credentials "
            "of a sandbox"
        )
    if is_loopback(rc_host) and not is_loopback(host):
        raise InvalidParameter(
            f"Set {_label('host')} to {rc_host}, too, or leave {_label('rc_host')} empty: a sandbox must not "
            "get the credentials of RingCentral"
        )


def _open_store(fields: Mapping[str, str]) -> StateStore:
    store = fields["rate_limit_store"] or HOST
    password = fields["rate_limit_password"]
    for secret in _secrets_in(store) | ({password} - {""}):
        mask_secret(secret)
    return open_store(_with_password(store, password) if password else store)


def _with_password(store: str, password: str) -> str:
    """Return a Redis URL with the password; other stores have none."""
    if not store.startswith(REDIS):
        return store
    scheme, _, rest = store.partition("://")
    # Up to the path or the query, which may contain an @.
    place = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, _, server = place.rpartition("@")
    name, _, own = user.partition(":")
    if own:
        raise InvalidParameter(
            "The connection's rate_limit_store already contains a password: remove it there, or leave "
            "rate_limit_password empty"
        )
    return f"{scheme}://{name}:{quote(password, safe='')}@{server}{rest.removeprefix(place)}"


def _secrets_in(store: str) -> set[str]:
    """Return the passwords in a Redis URL, as written and unquoted."""
    if "://" not in store:
        return set()
    # Not with urlsplit: a URL that cannot be parsed may contain a password, too.
    user, at, _ = store.partition("://")[2].rpartition("@")
    _, _, query = store.partition("?")
    written = {user.partition(":")[2] if at else ""}
    written |= {part.partition("=")[2] for part in query.split("&") if part.startswith("password=")}
    return {secret for word in written for secret in (word, unquote(word)) if secret}


def _limits(fields: Mapping[str, str]) -> dict[str, float]:
    chosen = {
        "margin": _seconds("limit_pad", fields["limit_pad"], most=60.0),
        "timeout": _seconds("limit_timeout", fields["limit_timeout"], most=86_400.0),
    }
    return {name: value for name, value in chosen.items() if value is not None}


def _seconds(name: str, value: str, *, most: float, least: float = 0.0) -> float | None:
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not least <= seconds <= most:
        raise InvalidParameter(f"{_label(name)} must be a number of seconds, up to {most:g}")
    return seconds


def _airflow_version() -> str:
    try:
        return version("apache-airflow")
    except PackageNotFoundError:
        return "unknown"
