"""HTTP server of the sandbox, for tests and demonstrations."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Any, cast

from airflow_provider_engagevoice.sandbox.api.admin.campaigns import select_campaigns
from airflow_provider_engagevoice.sandbox.api.leads.query import Condition
from airflow_provider_engagevoice.sandbox.api.leads.serializers import find_leads
from airflow_provider_engagevoice.sandbox.faults.commands import set_fault
from airflow_provider_engagevoice.sandbox.http.timestamps import format_datetime
from airflow_provider_engagevoice.sandbox.seed.generated_data import GeneratedData
from airflow_provider_engagevoice.sandbox.server.app import build_app
from airflow_provider_engagevoice.sandbox.server.recording import App, Recorder
from airflow_provider_engagevoice.sandbox.server.uvicorn_thread import ServerThread
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state import credentials, demo_data
from airflow_provider_engagevoice.sandbox.state.outbox import lead_ids_by_mail, list_mails
from airflow_provider_engagevoice.sandbox.state.request_log import RecordedRequest
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState
from airflow_provider_engagevoice.sandbox.state.seed_data import SeedData

ACCOUNT_ID = demo_data.ACCOUNTS[0][0]
"""Sub-account of the connections to the sandbox."""


class SandboxServer:
    """A local RingCX server; use it as a context manager.

    :param settings: the configuration; None for the defaults.
    :param port: TCP port; 0 for a free one.
    :param host: address to listen on.
    :param database: SQLite file that keeps the state, or ``:memory:``. An existing state file is used as it
        is, without seeding.
    :param seed_data: source of the initial data; None for data generated from the settings.
    :raises StateFileError: if ``database`` cannot be used.
    :raises SeedDataError: if the seed data cannot be read or generated.
    :raises ValueError: if ``port`` is not valid.
    :raises OSError: if the port is in use, or the address is not one of this machine. Raised on entering.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        database: str = ":memory:",
        seed_data: SeedData | None = None,
    ) -> None:
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < 65536:
            raise ValueError(f"port must be a whole number from 0 to 65535, not {port!r}")
        settings = settings or Settings()
        seed_data = seed_data or GeneratedData(settings.seed, settings.size)
        self._state = SandboxState.create(settings, database, seed_data)
        self._address = (host, port)
        self.app: App = cast("App", build_app(self._state, host))
        self._recorder = Recorder(self.app, self._state)
        self._url = ""

    def __enter__(self) -> SandboxServer:
        """Start the server; return when it accepts requests."""
        try:
            listening = _listen(*self._address)
            self._url = f"http://{_url_host(self._address[0])}:{listening.getsockname()[1]}"
            self._thread = ServerThread(self._recorder, listening)
            self._thread.start()
        except BaseException:
            self._state.store.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server and close the database; pending requests get no response."""
        self._state.shutdown_event.set()
        self._thread.stop()
        self._state.store.close()

    @property
    def url(self) -> str:
        """Base URL, such as ``http://127.0.0.1:8787``."""
        return self._url

    @property
    def connection(self) -> dict[str, Any]:
        """Airflow connection to this sandbox as a dict for ``json.dumps``; auth method ``ringcentral``."""
        return self.connection_for("ringcentral")

    def connection_for(self, auth_method: str) -> dict[str, Any]:
        """Return an Airflow connection to this sandbox.

        :param auth_method: ``ringcentral``, ``api_token``, ``engage`` or ``legacy``.
        :return: the connection as a dict for ``json.dumps``.
        :raises KeyError: if the auth method is unknown.
        """
        return credentials.airflow_connection(auth_method, self.url)

    @property
    def requests(self) -> list[RecordedRequest]:
        """The latest 100,000 requests, in the order of their responses; fewer if queries are long."""
        return self._state.log.records()

    def listen(self, listener: Callable[[RecordedRequest], object]) -> None:
        """Set the listener that is called for each request, replacing the previous one.

        :param listener: called before the response is sent, in the server's thread. Its exceptions are
            logged and have no other effect.
        """
        self._state.log.listener = listener

    @property
    def outbox(self) -> list[dict[str, Any]]:
        """Mails of EMAIL_LEADS with ``mail_id``, ``to``, ``leads`` (count), ``lead_ids`` and ``sent``."""
        with self._state.store.reading() as connection:
            mails = list_mails(connection)
            lead_ids = lead_ids_by_mail(connection)
        return [
            {
                "mail_id": mail.number,
                "to": mail.recipients,
                "leads": mail.leads,
                "lead_ids": lead_ids.get(mail.number, []),
                "sent": format_datetime(mail.sent),
            }
            for mail in mails
        ]

    @property
    def contents(self) -> dict[str, int]:
        """Number of accounts, campaigns and leads."""
        counts = (
            "(SELECT count(*) FROM accounts), (SELECT count(*) FROM campaigns), (SELECT count(*) FROM leads)"
        )
        with self._state.store.reading() as connection:
            found = connection.execute(f"SELECT {counts}").fetchone()
        return dict(zip(("accounts", "campaigns", "leads"), found, strict=True))

    def campaign(self, name: str) -> dict[str, Any]:
        """Return a campaign by name; if several have the name, the first one of the first sub-account.

        :param name: its name.
        :return: the campaign in RingCX's format, with ``accountId`` and ``dialGroupId``.
        :raises KeyError: if no campaign has this name.
        """
        found = select_campaigns(self._state, "c.campaignName = ?", name)
        if not found:
            raise KeyError(name)
        group_id = cast("dict[str, Any]", found[0]["dialGroup"])["id"]
        with self._state.store.reading() as connection:
            account = connection.execute(
                "SELECT accountId FROM dial_groups WHERE dialGroupId = ?", (group_id,)
            )
            account_id = account.fetchone()[0]
        return {**found[0], "accountId": account_id, "dialGroupId": group_id}

    def leads(self, campaign: str | int | None = None) -> list[dict[str, Any]]:
        """Return leads as a search does.

        :param campaign: campaign id or name; if several have the name, the leads of all. None for all leads.
        :return: the rows, by ascending lead id.
        :raises KeyError: if there is no such campaign.
        """
        ids = None if campaign is None else self._campaign_ids(campaign)
        condition = (
            Condition("1")
            if ids is None
            else Condition("l.campaignId IN (SELECT value FROM json_each(?))", (json.dumps(ids),))
        )
        with self._state.store.reading() as connection:
            return find_leads(connection, condition, -1, 0)

    def _campaign_ids(self, campaign: str | int) -> list[object]:
        """Return the ids of the campaigns with this name or id."""
        column = "campaignName" if isinstance(campaign, str) else "campaignId"
        found = select_campaigns(self._state, f"c.{column} = ?", campaign)
        if not found:
            raise KeyError(campaign)
        return [row["campaignId"] for row in found]

    def advance(self, seconds: float) -> None:
        """Advance the sandbox's clock, which determines token expiry and timestamps."""
        self._state.clock.advance(seconds)

    def fault(self, kind: str, **options: Any) -> dict[str, Any]:
        """Inject a fault into requests from now on.

        :param kind: ``drop``, ``hang``, ``status``, ``rate_limited``, ``html``, ``rejected``,
            ``load_failed``, ``expired``, ``answer``, ``slow``, ``stale``, ``short_page``, ``page_base``,
            ``dialer`` or ``meanwhile``. The class of each is listed in
            :mod:`airflow_provider_engagevoice.sandbox.faults.registry`.
        :param options: options of the rule, i.e. the fields of
            :class:`~airflow_provider_engagevoice.sandbox.state.fault_rules.FaultRule` (by default the fault
            affects the next request of any operation), and options of the fault.
        :return: the rule that was added.
        :raises ValueError: if an option is missing, unknown or invalid; the message names it.
        """
        return set_fault(self._state, {"kind": kind, **options}, trusted=True)

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._state.fault_rules.clear()

    def expire_tokens(self) -> None:
        """Mark all issued Bearer tokens as expired."""
        self._state.tokens.bearer.expire_all()

    def revoke_tokens(self) -> None:
        """Revoke all issued Bearer, refresh and legacy tokens; the permanent token stays valid."""
        for family in (
            self._state.tokens.bearer,
            self._state.tokens.refresh,
            self._state.tokens.legacy,
            self._state.tokens.legacy_stay,
        ):
            family.revoke_all()

    def reset(self) -> None:
        """Restore the seed data and the real time; clear requests, mails, faults and rate limits.

        Issued tokens stay valid, except permanent tokens created through the API.
        """
        self._state.reset()


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; opened here, so that a port in use raises and a free port is known."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # asyncio disables Nagle's algorithm only if the protocol is set; otherwise responses take 40 ms longer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _url_host(host: str) -> str:
    """Return the host for the URL; the loopback address if the server listens on all addresses."""
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1" if host != "::" else "[::1]"
    return f"[{host}]" if ":" in host else host
