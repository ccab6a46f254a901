"""Builds a RingCX client from an Airflow connection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from airflow_provider_engagevoice import __version__
from airflow_provider_engagevoice.get_provider_info import AUTH_METHODS
from airflow_provider_engagevoice.ringcx.auth.base import Authenticator
from airflow_provider_engagevoice.ringcx.auth.schemes import (
    ApiTokenAuth,
    EngageUserAuth,
    LegacyPortalAuth,
    RingCentralJwtAuth,
)
from airflow_provider_engagevoice.ringcx.client import RingCXClient, base_url
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, did_you_mean
from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.storage.base import StateStore
from airflow_provider_engagevoice.ringcx.storage.registry import HOST, REDIS, open_store
from airflow_provider_engagevoice.ringcx.transport.http import HttpTransport
from airflow_provider_engagevoice.version_compat import mask_secret

if TYPE_CHECKING:
    from airflow_provider_engagevoice.version_compat import Connection


def build_client(connection: Connection) -> RingCXClient:
    """Return a client for a connection. Sends no request.

    :param connection: the connection.
    :return: the client.
    :raises InvalidParameter: if the connection lacks a field or has an invalid one.
    """
    extra = connection.extra_dejson
    schema = connection.schema if connection.schema in ("http", "https") else None
    host = base_url(connection.host, port=connection.port, scheme=schema)
    transport = HttpTransport(
        f"airflow-provider-engagevoice/{__version__} (apache-airflow/{_airflow_version()})"
    )
    timeout = _seconds("timeout", extra.get("timeout"), most=3600.0, least=0.001)
    if timeout is not None:
        transport.timeout = (min(transport.timeout[0], timeout), timeout)
    method = str(extra.get("auth_method") or AUTH_METHODS[0])
    account_id = str(extra.get("account_id") or "").strip()
    authenticator = _authenticator(method, host, connection, extra)
    authenticator.mask = mask_secret
    authenticator.store = _open_store(extra)
    transport.limiter = RateLimiter(authenticator.store, **_limits(extra))
    return RingCXClient(host, authenticator, transport, account_id or None, legacy=method == "legacy")


def _authenticator(method: str, host: str, connection: Connection, extra: Mapping[str, Any]) -> Authenticator:
    def require(**fields: str | None) -> list[str]:
        missing = [name for name, value in fields.items() if not value]
        if missing:
            raise InvalidParameter(
                f"Connection {connection.conn_id!r} with auth_method {method!r} lacks {', '.join(missing)}"
            )
        return [str(value) for value in fields.values()]

    login, password = connection.login, connection.password
    if method == "ringcentral":
        client_id, secret, jwt = require(login=login, password=password, jwt_token=extra.get("jwt_token"))
        rc_host = extra.get("rc_host")
        return RingCentralJwtAuth(
            host, client_id, secret, jwt, **({"rc_host": base_url(str(rc_host))} if rc_host else {})
        )
    if method == "api_token":
        return ApiTokenAuth(*require(password=password))
    if method == "engage":
        return EngageUserAuth(
            host, *require(login=login, password=password, platform_id=extra.get("platform_id"))
        )
    if method == "legacy":
        return LegacyPortalAuth(host, *require(login=login, password=password))
    raise InvalidParameter(
        f"Connection {connection.conn_id!r}: auth_method must be one of {', '.join(AUTH_METHODS)}, "
        f"not {method!r}" + did_you_mean(method, AUTH_METHODS)
    )


def _open_store(extra: Mapping[str, Any]) -> StateStore:
    store = str(extra.get("rate_limit_store") or "").strip() or HOST
    password = str(extra.get("rate_limit_password") or "")
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


def _limits(extra: Mapping[str, Any]) -> dict[str, float]:
    chosen = {
        "margin": _seconds("limit_pad", extra.get("limit_pad"), most=60.0),
        "timeout": _seconds("limit_timeout", extra.get("limit_timeout"), most=86_400.0),
    }
    return {name: value for name, value in chosen.items() if value is not None}


def _seconds(name: str, value: Any, *, most: float, least: float = 0.0) -> float | None:
    if value is None or value == "":
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not least <= seconds <= most:
        raise InvalidParameter(f"The connection's extra {name} must be a number of seconds, up to {most:g}")
    return seconds


def _airflow_version() -> str:
    try:
        return version("apache-airflow")
    except PackageNotFoundError:
        return "unknown"
