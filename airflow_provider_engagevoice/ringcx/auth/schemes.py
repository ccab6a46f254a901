"""The ways to sign in to RingCX."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

from airflow_provider_engagevoice.ringcx.auth.base import Authenticator
from airflow_provider_engagevoice.ringcx.auth.encryption import HkdfCipher
from airflow_provider_engagevoice.ringcx.auth.refresh import REJECTION_ERRORS, RefreshingAuthenticator
from airflow_provider_engagevoice.ringcx.auth.token_cache import AccessToken
from airflow_provider_engagevoice.ringcx.exceptions import AuthenticationError, EngageVoiceError
from airflow_provider_engagevoice.ringcx.transport.http import ApiRequest, HttpTransport

#: Source: guide, "RingCentral authentication": RingCX tokens live five minutes.
_TOKEN_LIFE = 300.0
#: A token is renewed this long before its end, so that it outlives the request it is sent with.
_RENEW_AHEAD = 60.0
#: Source: guide, "Legacy authentication": about one hour, longer while in use.
_LEGACY_LIFE = 3600.0


@dataclass(repr=False)
class ApiTokenAuth(Authenticator):
    """The permanent API token of a RingCX user. Source: guide, "Legacy authentication"; observed.

    :param token: the token.
    """

    token: str
    _named: bool = field(default=False, init=False)

    def headers(self, transport: HttpTransport) -> Mapping[str, str]:
        if not self._named:
            # Once, not with every request: in a worker it costs a message to Airflow's supervisor.
            self.mask(self.token)
            self._named = True
        return {"X-Auth-Token": self.token}

    def refresh(self, transport: HttpTransport, rejected: Mapping[str, str]) -> None:
        raise AuthenticationError(
            "RingCX refused the permanent API token; check the connection's password", status=401
        )


class _Bearer(RefreshingAuthenticator):
    """A sign-in that ends in RingCX's bearer token."""

    host: str

    def _refresh(self, transport: HttpTransport, refresh: str) -> AccessToken:
        # Source: guide, "RingCentral authentication": both tokens are replaced.
        call = ApiRequest(
            "POST",
            f"{self.host}/api/auth/token/refresh",
            True,
            form={"refresh_token": refresh},
            single_use=True,
        )
        return self._bearer(transport.send(call))

    def _bearer(self, body: Any) -> AccessToken:
        """Read RingCX's own token. Source: contract, ``AccessTokenUserDetails``."""
        access = self._masked(body, "accessToken")
        refresh = self._masked(body, "refreshToken") if body.get("refreshToken") else None
        return AccessToken(access, time.monotonic() + _TOKEN_LIFE, _RENEW_AHEAD, refresh)

    def _as_headers(self, access: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {access}"}


@dataclass(repr=False)
class RingCentralJwtAuth(_Bearer):
    """A JWT of the RingCentral platform, exchanged for RingCX's token.

    Source: guide, "RingCentral authentication".

    :param host: RingCX, such as ``https://ringcx.ringcentral.com``.
    :param client_id: of the RingCentral app.
    :param client_secret: of the RingCentral app.
    :param jwt: of the RingCentral user.
    :param rc_host: the RingCentral platform.
    """

    seal = HkdfCipher

    host: str
    client_id: str
    client_secret: str
    jwt: str
    rc_host: str = "https://platform.ringcentral.com"

    def _identity(self) -> tuple[str, ...]:
        # Secrets that a machine made cannot be guessed from the hash that they are part of.
        return (self.host, self.rc_host, self.client_id, self.client_secret, self.jwt)

    def _secret(self) -> tuple[str, ...]:
        return (self.client_secret, self.jwt)

    def _sign_in(self, transport: HttpTransport) -> AccessToken:
        self.mask(self.client_secret)
        self.mask(self.jwt)
        grant = ApiRequest(
            "POST",
            f"{self.rc_host}/restapi/oauth/token",
            True,
            form={"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": self.jwt},
            basic=(self.client_id, self.client_secret),
        )
        try:
            platform_token = self._masked(transport.send(grant), "access_token")
        except REJECTION_ERRORS as error:
            raise _refused(
                "RingCentral refused the sign-in; check the connection's login (client id), password "
                "(client secret) and extra jwt_token",
                error,
            ) from None
        exchange = ApiRequest(
            "POST",
            f"{self.host}/api/auth/login/rc/accesstoken",
            True,
            params={"includeRefresh": "true"},
            form={"rcAccessToken": platform_token, "rcTokenType": "Bearer"},
            # The limit is the app's, whichever of its users signs in.
            rate_limit_scope=hashlib.sha256(f"{self.rc_host}\0{self.client_id}".encode()).hexdigest(),
        )
        try:
            return self._bearer(transport.send(exchange))
        except REJECTION_ERRORS as error:
            raise _refused(
                "RingCX refused the RingCentral user; check that the user has a RingCX role and the app the "
                "ReadAccounts scope",
                error,
            ) from None


class _WithoutQuery(logging.Filter):
    """Cuts the query off the addresses in a log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                arg.partition("?")[0] if isinstance(arg, str) and _ENGAGE_PATH in arg else arg
                for arg in record.args
            )
        return True


_ENGAGE_PATH = "/api/auth/login/admin"
_WITHOUT_QUERY = _WithoutQuery()


@dataclass(repr=False)
class EngageUserAuth(_Bearer):
    """User name and password of a RingCX-native user. Source: contract, ``/api/auth/login/admin``.

    :param host: RingCX.
    :param username: the user.
    :param password: the user's password.
    :param platform_id: the platform the user belongs to.
    """

    host: str
    username: str
    password: str
    platform_id: str

    def _identity(self) -> tuple[str, ...]:
        return (self.host, self.username, self.platform_id)

    def _secret(self) -> tuple[str, ...]:
        return (self.password,)

    def _sign_in(self, transport: HttpTransport) -> AccessToken:
        # RingCX takes the password in the query. urllib3 logs addresses at DEBUG, and not every log that
        # Airflow writes goes through its masker.
        logging.getLogger("urllib3.connectionpool").addFilter(_WITHOUT_QUERY)
        self.mask(self.password)
        self.mask(quote_plus(self.password))
        call = ApiRequest(
            "POST",
            f"{self.host}{_ENGAGE_PATH}",
            True,
            params={"username": self.username, "password": self.password, "platformId": self.platform_id},
        )
        try:
            return self._bearer(transport.send(call))
        except REJECTION_ERRORS as error:
            raise _refused(
                "RingCX refused the sign-in; check the connection's login, password and extra platform_id",
                error,
            ) from None


@dataclass(repr=False)
class LegacyPortalAuth(RefreshingAuthenticator):
    """User name and password of a legacy portal. Source: guide, "Legacy authentication".

    :param host: the portal, such as ``https://portal.vacd.biz``.
    :param username: the user.
    :param password: the user's password.
    """

    host: str
    username: str
    password: str

    def _identity(self) -> tuple[str, ...]:
        return (self.host, self.username)

    def _secret(self) -> tuple[str, ...]:
        return (self.password,)

    def _sign_in(self, transport: HttpTransport) -> AccessToken:
        self.mask(self.password)
        call = ApiRequest(
            "POST",
            f"{self.host}/api/v1/auth/login",
            True,
            form={"username": self.username, "password": self.password},
        )
        try:
            access = self._masked(transport.send(call), "authToken")
        except REJECTION_ERRORS as error:
            raise _refused(
                "The legacy portal refused the sign-in; check the connection's login and password", error
            ) from None
        return AccessToken(access, time.monotonic() + _LEGACY_LIFE, _RENEW_AHEAD)

    def _as_headers(self, access: str) -> dict[str, str]:
        return {"X-Auth-Token": access}


def _refused(advice: str, error: EngageVoiceError) -> AuthenticationError:
    return AuthenticationError(f"{advice} ({error})", status=error.status, request=error.request)
