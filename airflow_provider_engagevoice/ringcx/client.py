"""RingCX client: authentication, requests, campaigns and leads."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_engagevoice.ringcx.auth.base import Authenticator
from airflow_provider_engagevoice.ringcx.bulk.executor import LeadActionExecutor
from airflow_provider_engagevoice.ringcx.campaigns import CampaignService
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.endpoints import check_account_id
from airflow_provider_engagevoice.ringcx.exceptions import (
    AuthenticationError,
    InvalidParameter,
    require_bool,
    without_context,
)
from airflow_provider_engagevoice.ringcx.export.exporter import LeadExporter
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.loading.lead_load import LeadLoad, LoadResult
from airflow_provider_engagevoice.ringcx.loading.lead_rows import LeadRows
from airflow_provider_engagevoice.ringcx.loading.load_lists import load_token
from airflow_provider_engagevoice.ringcx.loading.loader import LeadLoader
from airflow_provider_engagevoice.ringcx.loading.options import LoadOptions, UpdateOptions
from airflow_provider_engagevoice.ringcx.loading.updater import LeadUpdate, LeadUpdater
from airflow_provider_engagevoice.ringcx.observers import AttemptObserver
from airflow_provider_engagevoice.ringcx.steps import Steps, run
from airflow_provider_engagevoice.ringcx.sync.service import SyncService
from airflow_provider_engagevoice.ringcx.transport.http import LOOPBACK, ApiRequest, HttpTransport

log = logging.getLogger(__name__)

#: Paths of the legacy portals lack ``/voice``. Source: guide, "URIs".
LEGACY_PORTALS = frozenset({"portal.vacd.biz", "portal.virtualacd.biz"})

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HOST = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*|[0-9a-f:.]*:[0-9a-f:.]*")

_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass
class RingCXClient:
    """Authenticated client of one RingCX host.

    :param host: address with scheme, for example ``https://ringcx.ringcentral.com``; see :func:`base_url`.
    :param authenticator: the authentication scheme; see ``auth.schemes``.
    :param transport: the HTTP transport.
    :param account_id: the default sub-account; None for the only one that the user can access.
    :param legacy: whether the host is a legacy portal; always True for RingCentral's legacy portals.
    :param connection_id: id of the Airflow connection, for the log; empty if there is none.
    :param reload: returns a client with the credentials as they are now, which are used if RingCX rejects the
        present ones; None if they cannot change.
    """

    host: str
    authenticator: Authenticator
    transport: HttpTransport
    account_id: str | None = None
    legacy: bool = False
    connection_id: str = ""
    reload: Callable[[], RingCXClient] | None = None
    campaigns: CampaignService = field(init=False)

    def __post_init__(self) -> None:
        require_bool(legacy=self.legacy)
        self.legacy = self.legacy or urlsplit(self.host).hostname in LEGACY_PORTALS
        self.campaigns = CampaignService(self.request, self.account_id)

    @property
    def cancel_token(self) -> CancelToken:
        """Token that cancels the client's work: no further request is sent, and waits end."""
        return self.transport.cancel_token

    def leads(self, account_id: str | None = None) -> LeadSearch:
        """Return the lead search of a sub-account.

        :param account_id: the sub-account; default the connection's, else the only one.
        :return: an object with ``search`` and ``count``.
        :raises InvalidParameter: if the account id is empty, or there is no default.
        """
        if account_id is None:
            account_id = self.campaigns.default_account()
        # A template that is rendered natively yields a number.
        return LeadSearch(self.request_steps, check_account_id(account_id), self.cancel_token)

    def lead_actions(self, account_id: str | None = None) -> LeadActionExecutor:
        """Return the executor of lead actions of a sub-account.

        :param account_id: the sub-account; default the connection's, else the only one.
        :return: the executor.
        """
        leads = self.leads(account_id)
        return LeadActionExecutor(
            self.request_steps,
            leads,
            self.campaigns,
            self.cancel_token,
            self.host,
            self.connection_id,
        )

    def lead_exporter(self, account_id: str | None = None) -> LeadExporter:
        """Return the exporter of a sub-account, which writes leads to a file.

        :param account_id: the sub-account; default the connection's, else the only one.
        :return: the exporter.
        """
        account = self.leads(account_id).account_id
        return LeadExporter(self.request_steps, self.campaigns, account, self.cancel_token)

    def lead_loader(self, account_id: str | None = None) -> LeadLoader:
        """Return the loader of a sub-account, which loads rows into a campaign.

        :param account_id: the sub-account; default the connection's, else the only one.
        :return: the loader.
        """
        leads = self.leads(account_id)
        return LeadLoader(self.request_steps, leads, self.cancel_token, self.host)

    def lead_updater(self, account_id: str | None = None) -> LeadUpdater:
        """Return the updater of a sub-account, which changes fields of leads.

        :param account_id: the sub-account; default the connection's, else the only one.
        :return: the updater.
        """
        return LeadUpdater(self.request_steps, self.leads(account_id), self.cancel_token)

    def syncs(self) -> SyncService:
        """Return the service that keeps campaigns in step with rows.

        :return: an object with ``plan`` and ``apply``.
        """
        return SyncService(
            self.request_steps,
            self.campaigns,
            self.leads,
            self.cancel_token,
            self.host,
            self.authenticator.store,
        )

    def load_leads(
        self,
        campaign: str | int,
        rows: LeadRows,
        options: LoadOptions | None = None,
        *,
        list_name: str,
        load_id: Any = None,
        account_id: str | None = None,
        dry_run: bool = False,
        verify: bool = True,
    ) -> LoadResult:
        """Load rows into a campaign.

        :param campaign: name or id of the campaign.
        :param rows: the rows, and what is expected of them.
        :param options: the options of the load; default all of their defaults.
        :param list_name: name of the lists that the load makes; a token and a number are added to it.
        :param load_id: identifies the load: a later call with the same id loads only the rows that RingCX
            does not have from the earlier call, as far as RingCX shows the names of the lists. Default a new
            one.
        :param account_id: sub-account; default the connection's, else the only one.
        :param dry_run: only check the rows; default False.
        :param verify: look up afterwards whether the campaign has all leads; default True.
        :return: the counts.
        :raises EngageVoiceError: as :meth:`LeadLoader.execute` does.
        """
        load = self.prepare_load(
            campaign,
            rows,
            options or LoadOptions(),
            list_name=list_name,
            load_id=load_id,
            account_id=account_id,
            dry_run=dry_run,
            verify=verify,
        )
        return self.lead_loader(load.campaign["account_id"]).execute(load)

    def prepare_load(
        self,
        campaign: str | int,
        rows: LeadRows,
        options: LoadOptions,
        *,
        list_name: str,
        load_id: Any = None,
        account_id: str | None = None,
        dry_run: bool = False,
        verify: bool = True,
        not_before: datetime | None = None,
    ) -> LeadLoad:
        """Return a load with its campaign.

        :param campaign: as for :meth:`load_leads`.
        :param rows: as for :meth:`load_leads`.
        :param options: the options of the load.
        :param list_name: as for :meth:`load_leads`.
        :param load_id: as for :meth:`load_leads`.
        :param account_id: as for :meth:`load_leads`.
        :param dry_run: as for :meth:`load_leads`.
        :param verify: as for :meth:`load_leads`.
        :param not_before: time before which no attempt can have sent anything; default None, unknown.
        :return: the load; nothing has been read or sent yet but the campaigns.
        """
        require_bool(dry_run=dry_run, verify=verify)
        if not isinstance(list_name, str) or not list_name.strip() or _CONTROL.search(list_name):
            raise InvalidParameter("list_name must be text without control characters")
        row_input = rows.to_input(options.on_rejected, options.max_rejected)
        found = self.campaigns.find(campaign, account_id=account_id)
        identity = os.urandom(16).hex() if load_id is None else load_id
        token = load_token([identity, found["account_id"], found["campaign_id"]])
        name = list_name.strip()
        return LeadLoad(found, row_input, name, token, options, dry_run, verify, not_before)

    def update_leads(
        self,
        campaign: str | int,
        rows: LeadRows,
        options: UpdateOptions | None = None,
        *,
        account_id: str | None = None,
        dry_run: bool = False,
    ) -> LoadResult:
        """Change the fields of a campaign's leads that differ from rows.

        :param campaign: name or id of the campaign.
        :param rows: the rows, and what is expected of them; each has an external id of the campaign.
        :param options: the options of the update; default all of their defaults.
        :param account_id: sub-account; default the connection's, else the only one.
        :param dry_run: only find what would change; default False.
        :return: the counts.
        :raises EngageVoiceError: as :meth:`LeadUpdater.execute` does.
        """
        update = self.prepare_update(
            campaign, rows, options or UpdateOptions(), account_id=account_id, dry_run=dry_run
        )
        return self.lead_updater(update.campaign["account_id"]).execute(update)

    def prepare_update(
        self,
        campaign: str | int,
        rows: LeadRows,
        options: UpdateOptions,
        *,
        account_id: str | None = None,
        dry_run: bool = False,
    ) -> LeadUpdate:
        """Return an update with its campaign.

        :param campaign: as for :meth:`update_leads`.
        :param rows: as for :meth:`update_leads`.
        :param options: the options of the update.
        :param account_id: as for :meth:`update_leads`.
        :param dry_run: as for :meth:`update_leads`.
        :return: the update; nothing has been read or sent yet but the campaigns.
        """
        require_bool(dry_run=dry_run)
        row_input = rows.to_input(options.on_rejected, options.max_rejected)
        return LeadUpdate(self.campaigns.find(campaign, account_id=account_id), row_input, options, dry_run)

    @without_context
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

        If RingCX rejects the token, the token is refreshed and the request is sent once more.

        :param method: HTTP method.
        :param path: path as in RingCX's guide, with or without ``/voice``, without host and query;
            ``{accountId}`` in it is replaced by the default sub-account.
        :param params: query parameters.
        :param json: JSON body.
        :param retry_safe: whether the request may be retried if its outcome is unknown; default True for
            GET and False for other methods.
        :param observer: observer of the attempts.
        :return: the JSON value of the response, text, or None.
        :raises AuthenticationError: if a refreshed token is rejected, too.
        :raises InvalidParameter: if the method or the path is not valid.
        :raises EngageVoiceError: as ``HttpTransport.send`` does.
        """
        steps = self.request_steps(method, path, params, json, retry_safe=retry_safe, observer=observer)
        return run(steps, self.cancel_token.sleep)

    def request_steps(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        *,
        retry_safe: bool | None = None,
        observer: AttemptObserver | None = None,
    ) -> Steps[Any]:
        """Send a request like :meth:`request`, as steps that ``bulk.pipeline`` can interleave with others."""
        if retry_safe is not None:
            require_bool(retry_safe=retry_safe)
        method = _check_method(method)
        request = ApiRequest(
            method,
            self.host + self._full_path(path),
            method == "GET" if retry_safe is None else retry_safe,
            params=params,
            json=json,
            observer=observer,
        )
        auth_headers: Mapping[str, str] = {}
        authenticator = self.authenticator

        def authorize() -> Mapping[str, str]:
            nonlocal auth_headers, authenticator
            auth_headers, authenticator = {}, self.authenticator
            auth_headers = authenticator.headers(self.transport)
            return auth_headers

        try:
            try:
                return (yield from self.transport.send_steps(request, authorize))
            except AuthenticationError:
                if not auth_headers:
                    raise
                authenticator.refresh(self.transport, auth_headers)
            return (yield from self.transport.send_steps(request, authorize))
        except AuthenticationError:
            if self.authenticator is authenticator and not self._reload():
                raise
        return (yield from self.transport.send_steps(request, authorize))

    def _reload(self) -> bool:
        """Read the credentials again; return whether they have changed since they were read."""
        if self.reload is None:
            return False
        try:
            current = self.reload()
        except Exception as error:
            # Its message may contain a secret. The rejected sign-in is what the caller has to know.
            log.warning("Cannot read the credentials again (%s)", type(error).__name__)
            return False
        # The credentials of another host must not be sent to this one.
        if current.host != self.host or current.authenticator == self.authenticator:
            return False
        log.info("The sign-in was rejected, but the credentials have been replaced; using the new ones")
        self.authenticator = current.authenticator
        return True

    def close(self) -> None:
        """Close the connections of the transport."""
        self.transport.close()

    def _full_path(self, path: str) -> str:
        if not _is_plain_path(path):
            raise InvalidParameter(
                'path must begin with / and have no host, query, fragment, "..", backslash or control '
                "character; pass the query as params"
            )
        if "{accountId}" in path:
            path = path.replace("{accountId}", check_account_id(self.campaigns.default_account()))
        if path.startswith("/voice/"):
            path = path.removeprefix("/voice")
        if self.legacy or path.startswith("/api/auth/"):
            return path
        return f"/voice{path}"


def _check_method(method: object) -> str:
    """Return an HTTP method in upper case.

    :raises InvalidParameter: if it is not valid.
    """
    if not isinstance(method, str) or not method.isascii() or not method.isalpha():
        raise InvalidParameter('method must be an HTTP method, such as "GET"')
    return method.upper()


def _is_plain_path(path: object) -> bool:
    """Return whether a path has no part that leads elsewhere, also if it is decoded several times."""
    if not isinstance(path, str) or not path.startswith("/"):
        return False
    decoded = path
    while (shorter := unquote(decoded)) != decoded:
        decoded = shorter
    if "\\" in decoded or not decoded.isprintable():
        return False
    parts = urlsplit(path)
    # Some servers ignore what follows a semicolon in a segment.
    is_upward = any(segment.partition(";")[0] == ".." for segment in decoded.split("/"))
    return not (parts.netloc or parts.query or parts.fragment or is_upward)


def is_loopback(url: str) -> bool:
    """Return whether a URL leads to this machine.

    :param url: the URL.
    :return: True for a loopback address; False also if the URL is invalid.
    """
    try:
        return (urlsplit(url).hostname or "").removesuffix(".") in LOOPBACK
    except ValueError:
        return False


@without_context
def base_url(
    host: str | None, *, port: int | None = None, scheme: str | None = None, field: str = "host"
) -> str:
    """Return the normalized base URL of a host.

    :param host: name, or address with scheme and port; default ``ringcx.ringcentral.com``.
    :param port: port, if the host has none.
    :param scheme: ``https`` or ``http``, if the host has none; default ``http`` for this machine, else
        ``https``.
    :param field: name of the connection's field, for errors.
    :return: scheme, host and port, without a path. All spellings of an address return the same text, since
        it is the key under which rate limits and tokens are shared.
    :raises InvalidParameter: on plain http to another machine, and if the host or port is invalid.
    """
    text = (host or "ringcx.ringcentral.com").strip()
    if "://" not in text:
        # A sandbox on this machine does not speak TLS.
        scheme = scheme or ("http" if is_loopback(f"https://{text}") else "https")
        text = f"{scheme}://{text}"
    try:
        parts = urlsplit(text)
        number, name = parts.port or port, (parts.hostname or "").removesuffix(".")
    except ValueError:
        raise InvalidParameter(f"The connection's {field} or its port is not valid") from None
    if (
        parts.scheme not in ("http", "https")
        or not _HOST.fullmatch(name)
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise InvalidParameter(
            f"The connection's {field} must be a name such as ringcx.ringcentral.com, without a path"
        )
    if number and not 0 < number < 65536:
        raise InvalidParameter(
            f"The port of the connection's {field} must be between 1 and 65535, not {number}"
        )
    if parts.scheme == "http" and name not in LOOPBACK:
        raise InvalidParameter(f"Plain http would show the credentials to the network; use https for {name}")
    netloc = f"[{name}]" if ":" in name else name
    is_default = number == _DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://{netloc}" + (f":{number}" if number and not is_default else "")
