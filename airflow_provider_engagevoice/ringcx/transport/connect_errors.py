"""Errors of requests that were never sent: what prevents a connection, and how to correct it."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

from airflow_provider_engagevoice.ringcx.exceptions import CannotConnect

#: Environment variables of a CA bundle, in the order in which requests looks them up.
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

#: OpenSSL's reasons if the other side does not speak TLS.
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")


def check_ca_bundle(verify: object) -> None:
    """Raise if the file of certificate authorities cannot be used.

    :param verify: path of the file or folder, from the environment; anything else is not checked.
    :raises CannotConnect: if it does not exist or contains no certificate.
    """
    if not isinstance(verify, str):
        return
    place = f"{_variable(_CA_VARIABLES, verify)} names {verify!r}, which"
    advice = "Correct or unset it; nothing was sent"
    try:
        if Path(verify).is_dir():
            return
        if not Path(verify).exists():
            raise CannotConnect(f"{place} does not exist. {advice}")
        ssl.create_default_context(cafile=verify)
        return
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = (
            "contains no certificate" if isinstance(error, (ssl.SSLError, ValueError)) else "is unreadable"
        )
    raise CannotConnect(f"{place} {reason}. {advice}")


def permanent_error(
    error: BaseException, host: str, proxies: Mapping[str, str], request: str
) -> CannotConnect | None:
    """Return the error for a request that was not sent and cannot be, until a person corrects something.

    :param error: what was raised.
    :param host: host and port of the request.
    :param proxies: the proxies from the environment, by scheme.
    :param request: method and path.
    :return: the error, without the text of ``error``, which may contain a password; None if the cause may
        pass, such as a refused connection.
    """
    message = _tls_message(error, host) or _proxy_message(error, proxies)
    return CannotConnect(f"{message}; nothing was sent", request=request) if message else None


def _tls_message(error: BaseException, host: str) -> str | None:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = cause.verify_message or cause.reason or "not valid"
            return (
                f"The TLS certificate of {host} is not trusted ({reason}). Check the connection's host, or "
                "name the file of your certificate authority in REQUESTS_CA_BUNDLE"
            )
        if isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)):
            return None
        if isinstance(cause, ssl.SSLError):
            reason = (cause.reason or "").replace(" ", "_").upper()
            if reason in _NO_TLS:
                return (
                    f"{host} does not speak TLS. For a sandbox, write the connection's host as "
                    f"http://{host}; else check host, port and proxy"
                )
            if reason:
                return f"{host} refused the TLS handshake ({reason}). Check the connection's host and port"
    return None


def _proxy_message(error: BaseException, proxies: Mapping[str, str]) -> str | None:
    import requests
    import urllib3

    # Without the hosts that are excluded from proxies, which requests keeps in the same mapping.
    urls = [url for scheme, url in proxies.items() if scheme not in ("no", "no_proxy")]
    if not urls:
        return None
    variable = _variable(_proxy_variables(), *urls)
    if isinstance(error, requests.exceptions.InvalidSchema) and "SOCKS" in str(error):
        return f'{variable} names a SOCKS proxy, which needs PySocks: pip install "requests[socks]"'
    invalid_url = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, ValueError, TypeError)
    if isinstance(error, invalid_url):
        return f"{variable} is not a valid proxy URL; write it as http://host:port"
    for cause in _causes(error):
        if isinstance(cause, OSError) and str(cause).startswith("Tunnel connection failed: 407"):
            return f"The proxy of {variable} requires authentication (407); write it as http://user:password@host"
        if isinstance(cause, urllib3.exceptions.LocationValueError):
            return f"{variable} is not a valid proxy URL; write it as http://host:port"
    return None


def _proxy_variables() -> list[str]:
    names = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
    return [*names, *(name for name in os.environ if name.lower() in names and name not in names)]


def _variable(names: object, *values: str) -> str:
    """Return the environment variable that has one of the values."""
    candidates: list[str] = list(names)  # type: ignore[call-overload]
    return next((name for name in candidates if os.environ.get(name) in values), "The environment")


def _causes(error: object) -> Iterator[object]:
    """Yield an error and those that it wraps, as urllib3 and requests nest them."""
    seen: list[object] = []
    waiting = [error]
    while waiting:
        found = waiting.pop(0)
        if not isinstance(found, BaseException) or any(found is other for other in seen):
            continue
        seen.append(found)
        yield found
        waiting += [*found.args, getattr(found, "reason", None), getattr(found, "original_error", None)]
