"""The RingCX client: signs in, sends requests, and offers campaigns and leads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_engagevoice.ringcx.auth.base import Authenticator
from airflow_provider_engagevoice.ringcx.bulk.executor import LeadActionExecutor
from airflow_provider_engagevoice.ringcx.bulk.prefetch import (
    BorrowedToken,
    CountPrefetcher,
    background_transport,
)
from airflow_provider_engagevoice.ringcx.campaigns import CampaignService
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.exceptions import AuthenticationError, InvalidParameter
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.observers import AttemptObserver
from airflow_provider_engagevoice.ringcx.transport.http import LOOPBACK, ApiRequest, HttpTransport

#: Paths of the legacy portals lack ``/voice``. Source: guide, "URIs".
LEGACY_PORTALS = frozenset({"portal.vacd.biz", "portal.virtualacd.biz"})

_HOST = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*|[0-9a-f:.]*:[0-9a-f:.]*")

_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass
class RingCXClient:
    """A signed-in client of one RingCX host.

    :param host: address with scheme, such as ``https://ringcx.ringcentral.com``; see :func:`base_url`.
    :param sign_in: one of the ways in ``auth``.
    :param transport: the HTTP session.
    :param account_id: the sub-account where a call names none; None for the only one there is.
    :param legacy: the host is a legacy portal.
    """

    host: str
    authenticator: Authenticator
    transport: HttpTransport
    account_id: str | None = None
    legacy: bool = False
    campaigns: CampaignService = field(init=False)

    def __post_init__(self) -> None:
        self.legacy = self.legacy or urlsplit(self.host).hostname in LEGACY_PORTALS
        self.campaigns = CampaignService(self.request, self.account_id)

    @property
    def stop(self) -> CancelToken:
        """Set it where the client's work is to end soon: nothing more is sent, and waiting ends."""
        return self.transport.stop

    def leads(self, account_id: str | None = None) -> LeadSearch:
        """Work on the leads of a sub-account.

        :param account_id: the sub-account; default the connection's, else the only one.
        :return: search and count.
        """
        if account_id is None:
            return LeadSearch(self.request, self.campaigns.default_account())
        if not str(account_id).strip():
            raise InvalidParameter("account_id is empty; leave it out to mean the connection's")
        # A template rendered as native code gives a number.
        return LeadSearch(self.request, str(account_id))

    def lead_actions(self, account_id: str | None = None) -> LeadActionExecutor:
        """Act on the leads of a sub-account.

        :param account_id: the sub-account; default the connection's, else the only one.
        :return: the actions.
        """
        leads = self.leads(account_id)
        beside = partial(self._beside, leads.account_id)
        return LeadActionExecutor(self.request, leads, self.campaigns, self.stop, beside)

    def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        *,
        retry_safe: bool | None = None,
        observer: AttemptObserver | None = None,
    ) -> Any:
        """Send a request to any RingCX endpoint.

        :param method: HTTP method.
        :param path: path as in RingCX's guide, with or without ``/voice``, without host and query;
            ``{accountId}`` in it becomes the default sub-account.
        :param params: query.
        :param json: body.
        :param repeatable: sending it twice does no harm; default True for GET and False for all else.
        :param watch: is told of each try.
        :return: the JSON value of the answer, text, or None.
        :raises AuthenticationError: where a new token is refused, too.
        :raises EngageVoiceError: as ``Transport.send`` does.
        """
        call = ApiRequest(
            method.upper(),
            self.host + self._full_path(path),
            method.upper() == "GET" if retry_safe is None else retry_safe,
            params=params,
            json=json,
            observer=observer,
        )
        sent: Mapping[str, str] = {}

        def authorize() -> Mapping[str, str]:
            nonlocal sent
            sent = {}
            sent = self.authenticator.headers(self.transport)
            return sent

        try:
            return self.transport.send(call, authorize)
        except AuthenticationError:
            if not sent:
                raise
            self.authenticator.refresh(self.transport, sent)
        return self.transport.send(call, authorize)

    def _beside(self, account_id: str) -> CountPrefetcher:
        borrowed = BorrowedToken()
        transport = background_transport(self.transport)
        own = replace(self, authenticator=borrowed, transport=transport)

        def borrow_token() -> None:
            borrowed.given = self.authenticator.headers(self.transport)

        return CountPrefetcher(LeadSearch(own.request, account_id), transport, borrow_token)

    def close(self) -> None:
        """Close the session's connections."""
        self.transport.close()

    def _full_path(self, path: str) -> str:
        parts = urlsplit(path)
        if (
            not path.startswith("/")
            or parts.netloc
            or parts.query
            or parts.fragment
            or ".." in unquote(path).split("/")
        ):
            raise InvalidParameter(
                "path must begin with / and have no host, query, fragment or ..; use params"
            )
        if "{accountId}" in path:
            path = path.replace("{accountId}", self.campaigns.default_account())
        if path.startswith("/voice/"):
            path = path.removeprefix("/voice")
        if self.legacy or path.startswith("/api/auth/"):
            return path
        return f"/voice{path}"


def base_url(host: str | None, *, port: int | None = None, scheme: str | None = None) -> str:
    """Write a host as the address that requests go to.

    :param host: name, or address with scheme and port; default ``ringcx.ringcentral.com``.
    :param port: port, where the host names none.
    :param scheme: ``https`` (default) or ``http``, where the host names none.
    :return: scheme, host and port, without a path; one and the same text for all ways to write one
        address, since limits and tokens are shared by it.
    :raises InvalidParameter: on plain http to another machine, and on what is no host.
    """
    text = (host or "ringcx.ringcentral.com").strip()
    if "://" not in text:
        text = f"{scheme or 'https'}://{text}"
    try:
        parts = urlsplit(text)
        number, name = parts.port or port, (parts.hostname or "").removesuffix(".")
    except ValueError:
        raise InvalidParameter("The connection's host, or its port, cannot be read") from None
    if (
        parts.scheme not in ("http", "https")
        or not _HOST.fullmatch(name)
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise InvalidParameter(
            "The connection's host must be a name such as ringcx.ringcentral.com, without a path"
        )
    if number and not 0 < number < 65536:
        raise InvalidParameter(f"The connection's port {number} is no port; it is a number up to 65535")
    if parts.scheme == "http" and name not in LOOPBACK:
        raise InvalidParameter(f"Plain http would show the credentials to the network; use https for {name}")
    shown = f"[{name}]" if ":" in name else name
    is_default = number == _DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://{shown}" + (f":{number}" if number and not is_default else "")
