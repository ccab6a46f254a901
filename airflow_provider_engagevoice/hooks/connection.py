"""An Airflow connection turned into a client: loaded when a task first needs one."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice import __version__
from airflow_provider_engagevoice.compat import mask_secret
from airflow_provider_engagevoice.get_provider_info import AUTH_METHODS
from airflow_provider_engagevoice.ringcx.auth import ApiToken, Engage, Legacy, RingCentral
from airflow_provider_engagevoice.ringcx.client import RingCXClient, base_url
from airflow_provider_engagevoice.ringcx.errors import InvalidParameter, did_you_mean
from airflow_provider_engagevoice.ringcx.http import Transport
from airflow_provider_engagevoice.ringcx.tokens import SignIn

if TYPE_CHECKING:
    from airflow_provider_engagevoice.compat import Connection


def client_of(connection: Connection) -> RingCXClient:
    """Make a client of a connection.

    :param connection: the connection.
    :return: the client.
    :raises InvalidParameter: where the connection lacks something, or has something wrong; names it.
    """
    extra = connection.extra_dejson
    schema = connection.schema if connection.schema in ("http", "https") else None
    host = base_url(connection.host, port=connection.port, scheme=schema)
    transport = Transport(f"airflow-provider-engagevoice/{__version__} (apache-airflow/{_airflow_version()})")
    timeout = _timeout(extra.get("timeout"))
    if timeout is not None:
        transport.timeout = (min(transport.timeout[0], timeout), timeout)
    method = str(extra.get("auth_method") or AUTH_METHODS[0])
    account_id = str(extra.get("account_id") or "").strip()
    sign_in = _sign_in(method, host, connection, extra)
    sign_in.mask = mask_secret
    return RingCXClient(host, sign_in, transport, account_id or None, legacy=method == "legacy")


def _sign_in(method: str, host: str, connection: Connection, extra: Mapping[str, Any]) -> SignIn:
    def need(**fields: str | None) -> list[str]:
        missing = [name for name, value in fields.items() if not value]
        if missing:
            raise InvalidParameter(
                f"Connection {connection.conn_id!r} with auth_method {method!r} lacks {', '.join(missing)}"
            )
        return [str(value) for value in fields.values()]

    login, password = connection.login, connection.password
    if method == "ringcentral":
        client_id, secret, jwt = need(login=login, password=password, jwt_token=extra.get("jwt_token"))
        rc_host = extra.get("rc_host")
        return RingCentral(
            host, client_id, secret, jwt, **({"rc_host": base_url(str(rc_host))} if rc_host else {})
        )
    if method == "api_token":
        return ApiToken(*need(password=password))
    if method == "engage":
        return Engage(host, *need(login=login, password=password, platform_id=extra.get("platform_id")))
    if method == "legacy":
        return Legacy(host, *need(login=login, password=password))
    raise InvalidParameter(
        f"Connection {connection.conn_id!r}: auth_method {method!r} is none of {', '.join(AUTH_METHODS)}"
        + did_you_mean(method, AUTH_METHODS)
    )


def _timeout(value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise InvalidParameter("The connection's extra timeout must be a number of seconds, up to 3600")
    return seconds


def _airflow_version() -> str:
    try:
        return version("apache-airflow")
    except PackageNotFoundError:
        return "unknown"
