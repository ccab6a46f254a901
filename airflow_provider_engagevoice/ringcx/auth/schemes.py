"""Authentication schemes of RingCX."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

from airflow_provider_engagevoice.ringcx import clock
from airflow_provider_engagevoice.ringcx.auth.base import Authenticator
from airflow_provider_engagevoice.ringcx.auth.encryption import HkdfCipher
from airflow_provider_engagevoice.ringcx.auth.refresh import REJECTION_ERRORS, RefreshingAuthenticator
from airflow_provider_engagevoice.ringcx.auth.token_cache import AccessToken
from airflow_provider_engagevoice.ringcx.exceptions import AuthenticationError, EngageVoiceError
from airflow_provider_engagevoice.ringcx.transport.http import ApiRequest, HttpTransport

#: Lifetime of RingCX tokens, in seconds. Source: guide, "RingCentral authentication".
_TOKEN_LIFETIME = 300.0
#: Seconds before its expiry at which a token is refreshed, so that it does not expire during a request.
_REFRESH_AHEAD = 60.0
#: Lifetime of legacy tokens, in seconds. Source: guide, "Legacy authentication": about one hour, longer while
#: in use.
_LEGACY_TOKEN_LIFETIME = 3600.0


@dataclass(repr=False)
class ApiTokenAuth(Authenticator):
    """The permanent API token of a RingCX user. Source: guide, "Legacy authentication"; observed.

    :param token: the token.
    """

    token: str
    _is_masked: bool = field(default=False, init=False, compare=False)

    def headers(self, transport: HttpTransport) -> Mapping[str, str]:
        if not self._is_masked:
            # Once, not for each request: in a worker it costs a message to Airflow's supervisor.
            self.mask(self.token)
            self._is_masked = True
        return {"X-Auth-Token": self.token}

    def refresh(self, transport: HttpTransport, rejected: Mapping[str, str]) -> None:
        raise AuthenticationError(
            "RingCX rejected the permanent API token; check the connection's password", status=401
        )


class _BearerAuthenticator(RefreshingAuthenticator):
    """Base class for schemes that use RingCX's bearer token."""

    host: str

    def _refresh(self, transport: HttpTransport, refresh_token: str) -> AccessToken:
        # The response replaces both tokens. Source: guide, "RingCentral authentication".
        request = ApiRequest(
            "POST",
            f"{self.host}/api/auth/token/refresh",
            True,
            form={"refresh_token": refresh_token},
            single_use=True,
        )
        return self._parse_token(transport.send(request))

    def _parse_token(self, body: Any) -> AccessToken:
        """Return RingCX's token from a response. Source: contract, ``AccessTokenUserDetails``."""
        value = self._read_secret(body, "accessToken")
        refresh_token = self._read_secret(body, "refreshToken") if body.get("refreshToken") else None
        return AccessToken(value, clock.monotonic() + _TOKEN_LIFETIME, _REFRESH_AHEAD, refresh_token)

    def _as_headers(self, token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}


@dataclass(repr=False)
class RingCentralJwtAuth(_BearerAuthenticator):
    """JWT of the RingCentral platform, exchanged for RingCX's token.

    Source: guide, "RingCentral authentication".

    :param host: URL of RingCX, such as ``https://ringcx.ringcentral.com``.
    :param client_id: client id of the RingCentral app.
    :param client_secret: client secret of the RingCentral app.
    :param jwt: JWT of the RingCentral user.
    :param rc_host: URL of the RingCentral platform.
    """

    cipher = HkdfCipher

    host: str
    client_id: str
    client_secret: str
    jwt: str
    rc_host: str = "https://platform.ringcentral.com"

    def _identity(self) -> tuple[str, ...]:
        # The secrets are machine-generated: they cannot be guessed from a hash.
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
            platform_token = self._read_secret(transport.send(grant), "access_token")
        except REJECTION_ERRORS as error:
            raise _credentials_rejected(
                "RingCentral rejected the sign-in; check the connection's login (client id), password "
                "(client secret) and extra jwt_token",
                error,
            ) from None
        exchange = ApiRequest(
            "POST",
            f"{self.host}/api/auth/login/rc/accesstoken",
            True,
            params={"includeRefresh": "true"},
            form={"rcAccessToken": platform_token, "rcTokenType": "Bearer"},
            # The limit applies to the app, whichever of its users signs in.
            rate_limit_scope=hashlib.sha256(f"{self.rc_host}\0{self.client_id}".encode()).hexdigest(),
        )
        try:
            return self._parse_token(transport.send(exchange))
        except REJECTION_ERRORS as error:
            raise _credentials_rejected(
                "RingCX rejected the RingCentral user; check that the user has a RingCX role and the app the "
                "ReadAccounts scope",
                error,
            ) from None


_ENGAGE_PATH = "/api/auth/login/admin"


@dataclass(repr=False)
class EngageUserAuth(_BearerAuthenticator):
    """User name and password of a RingCX-native user. Source: contract, ``/api/auth/login/admin``.

    :param host: URL of RingCX.
    :param username: the user.
    :param password: the user's password.
    :param platform_id: the platform to which the user belongs.
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
        # RingCX requires the password in the query; the transport keeps it out of urllib3's log records.
        self.mask(self.password)
        self.mask(quote_plus(self.password))
        request = ApiRequest(
            "POST",
            f"{self.host}{_ENGAGE_PATH}",
            True,
            params={"username": self.username, "password": self.password, "platformId": self.platform_id},
        )
        try:
            return self._parse_token(transport.send(request))
        except REJECTION_ERRORS as error:
            raise _credentials_rejected(
                "RingCX rejected the sign-in; check the connection's login, password and extra platform_id",
                error,
            ) from None


@dataclass(repr=False)
class LegacyPortalAuth(RefreshingAuthenticator):
    """User name and password of a legacy portal. Source: guide, "Legacy authentication".

    :param host: URL of the portal, such as ``https://portal.vacd.biz``.
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
        request = ApiRequest(
            "POST",
            f"{self.host}/api/v1/auth/login",
            True,
            form={"username": self.username, "password": self.password},
        )
        try:
            token = self._read_secret(transport.send(request), "authToken")
        except REJECTION_ERRORS as error:
            raise _credentials_rejected(
                "The legacy portal rejected the sign-in; check the connection's login and password", error
            ) from None
        return AccessToken(token, clock.monotonic() + _LEGACY_TOKEN_LIFETIME, _REFRESH_AHEAD)

    def _as_headers(self, token: str) -> dict[str, str]:
        return {"X-Auth-Token": token}


def _credentials_rejected(advice: str, error: EngageVoiceError) -> AuthenticationError:
    return AuthenticationError(f"{advice} ({error})", status=error.status, request=error.request)
