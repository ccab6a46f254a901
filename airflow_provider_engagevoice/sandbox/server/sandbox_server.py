"""A sandbox served over HTTP, for tests and demonstrations."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, cast

from airflow_provider_engagevoice.sandbox.api.admin.campaigns import campaigns_where
from airflow_provider_engagevoice.sandbox.api.leads.query import Condition
from airflow_provider_engagevoice.sandbox.api.leads.serializers import find_leads
from airflow_provider_engagevoice.sandbox.http.timestamps import print_moment
from airflow_provider_engagevoice.sandbox.seed.world import World
from airflow_provider_engagevoice.sandbox.server.app import build_app
from airflow_provider_engagevoice.sandbox.server.control_api import set_fault
from airflow_provider_engagevoice.sandbox.server.recording import App, Recorder
from airflow_provider_engagevoice.sandbox.server.uvicorn_thread import ServerThread
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state import credentials, demo_data
from airflow_provider_engagevoice.sandbox.state.request_log import RecordedRequest
from airflow_provider_engagevoice.sandbox.state.sandbox import Service
from airflow_provider_engagevoice.sandbox.ui.outbox import mails

ACCOUNT_ID = demo_data.ACCOUNTS[0][0]
"""The sub-account that the connections name."""


class SandboxServer:
    """A local RingCX over HTTP; use it in a ``with`` statement.

    :param settings: how it behaves; None for the defaults.
    :param port: TCP port, 0 for a free one.
    :param host: address to listen at.
    :param database: SQLite file that keeps the state, or ``:memory:``. A file that already holds a
        sandbox is used as it is, and not seeded again.
    :param world: where the data comes from; None for the seeded world of the settings.
    :raises StateFileError: ``database`` cannot be used.
    :raises WorldError: the world cannot be made.
    :raises OSError: the port is taken, or the address is none of this machine. Raised on entering.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        database: str = ":memory:",
        world: World | None = None,
    ) -> None:
        self._service = Service.start(settings or Settings(), database, world)
        self._address = (host, port)
        self.app: App = cast("App", build_app(self._service, host))
        self._recorder = Recorder(self.app, self._service)
        self._url = ""

    def __enter__(self) -> SandboxServer:
        """Start to serve; return when requests are answered."""
        try:
            listening = _listen(*self._address)
            self._url = f"http://{_shown_host(self._address[0])}:{listening.getsockname()[1]}"
            self._thread = ServerThread(self._recorder, listening)
            self._thread.start()
        except BaseException:
            self._service.store.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to serve, and close the database. Who still waits for an answer gets none."""
        self._service.stopping.set()
        self._thread.stop()
        self._service.store.close()

    @property
    def url(self) -> str:
        """Where it listens, such as ``http://127.0.0.1:8787``."""
        return self._url

    @property
    def connection(self) -> dict[str, Any]:
        """The Airflow connection to this sandbox, ready for ``json.dumps``."""
        return self.connection_for("ringcentral")

    def connection_for(self, auth_method: str) -> dict[str, Any]:
        """Return an Airflow connection to this sandbox.

        :param auth_method: ``ringcentral``, ``api_token``, ``engage`` or ``legacy``.
        :return: the connection as a dict, ready for ``json.dumps``.
        :raises KeyError: there is no such way to sign in.
        """
        user = {"login": credentials.USER_NAME, "password": credentials.PASSWORD}
        ways: Mapping[str, tuple[dict[str, str], dict[str, str]]] = {
            "ringcentral": (
                {"login": credentials.CLIENT_ID, "password": credentials.CLIENT_SECRET},
                {"jwt_token": credentials.JWT, "rc_host": self.url},
            ),
            "api_token": ({"password": credentials.PERMANENT_TOKEN}, {}),
            "engage": (user, {"platform_id": credentials.PLATFORM_ID}),
            "legacy": (user, {}),
        }
        fields, extra = ways[auth_method]
        return {
            "conn_type": "engagevoice",
            "host": self.url,
            **fields,
            "extra": {"auth_method": auth_method, **extra, "account_id": ACCOUNT_ID},
        }

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests so far, in the order of their answers; of very many the latest 100,000."""
        return self._service.log.records()

    def listen(self, listener: Callable[[RecordedRequest], object]) -> None:
        """Tell somebody of each request from now on, in the place of who was told before.

        :param listener: is called before the answer leaves, in the thread that serves; what it raises is
            logged, and changes nothing else.
        """
        self._service.log.listener = listener

    @property
    def outbox(self) -> list[dict[str, Any]]:
        """The mails of EMAIL_LEADS: their id, whom to, how many leads, their ids, and when."""
        with self._service.store.reading() as connection:
            sent = mails(connection)
            lead_ids: dict[int, list[int]] = {mail.number: [] for mail in sent}
            for row in connection.execute("SELECT mailId, leadId FROM mail_leads ORDER BY mailId, leadId"):
                lead_ids[row["mailId"]].append(row["leadId"])
        return [
            {
                "mail_id": mail.number,
                "to": mail.recipients,
                "leads": mail.leads,
                "lead_ids": lead_ids[mail.number],
                "sent": print_moment(mail.sent),
            }
            for mail in sent
        ]

    @property
    def contents(self) -> dict[str, int]:
        """How many accounts, campaigns and leads there are."""
        counts = (
            "(SELECT count(*) FROM accounts), (SELECT count(*) FROM campaigns), (SELECT count(*) FROM leads)"
        )
        with self._service.store.reading() as connection:
            found = connection.execute(f"SELECT {counts}").fetchone()
        return dict(zip(("accounts", "campaigns", "leads"), found, strict=True))

    def campaign(self, name: str) -> dict[str, Any]:
        """Look up a campaign; of several of a name the first one, that of the first sub-account first.

        :param name: its name.
        :return: the campaign as RingCX writes it, with ``accountId`` and ``dialGroupId``.
        :raises KeyError: there is none.
        """
        found = campaigns_where(self._service, "c.campaignName = ?", name)
        if not found:
            raise KeyError(name)
        group_id = cast("dict[str, Any]", found[0]["dialGroup"])["id"]
        with self._service.store.reading() as connection:
            account = connection.execute(
                "SELECT accountId FROM dial_groups WHERE dialGroupId = ?", (group_id,)
            )
            account_id = account.fetchone()[0]
        return {**found[0], "accountId": account_id, "dialGroupId": group_id}

    def leads(self, campaign: str | int | None = None) -> list[dict[str, Any]]:
        """Read leads the way a search returns them.

        :param campaign: id or name; of several campaigns of a name, the leads of all. None for all leads.
        :return: the rows, by ascending lead id.
        :raises KeyError: there is no such campaign.
        """
        ids = None if campaign is None else self._campaign_ids(campaign)
        condition = (
            Condition("1")
            if ids is None
            else Condition("l.campaignId IN (SELECT value FROM json_each(?))", (json.dumps(ids),))
        )
        with self._service.store.reading() as connection:
            return find_leads(connection, condition, -1, 0)

    def _campaign_ids(self, campaign: str | int) -> list[object]:
        """Return the ids of the campaigns of this name or id."""
        column = "campaignName" if isinstance(campaign, str) else "campaignId"
        found = campaigns_where(self._service, f"c.{column} = ?", campaign)
        if not found:
            raise KeyError(campaign)
        return [row["campaignId"] for row in found]

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock on, by which tokens expire and dates are written."""
        self._service.clock.advance(seconds)

    def fault(self, kind: str, **asked: Any) -> dict[str, Any]:
        """Let requests go wrong from now on.

        :param kind: ``drop``, ``hang``, ``status``, ``rate_limited``, ``html``, ``rejected``,
            ``load_failed``, ``expired``, ``answer``, ``slow``, ``stale``, ``short_page``, ``page_base``,
            ``dialer`` or ``meanwhile``. They are described in
            :mod:`airflow_provider_engagevoice.sandbox.faults.registry`,
            which names the class of each.
        :param asked: which requests meet it (by default the next one of any operation), the fields of
            :class:`~airflow_provider_engagevoice.sandbox.state.fault_rules.Rule`; and the options of that
            kind of fault.
        :return: the rule that was set.
        :raises ValueError: an entry is missing, unknown or wrong; the message names it.
        """
        return set_fault(self._service, {"kind": kind, **asked}, trusted=True)

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        self._service.rules.forget()

    def expire_tokens(self) -> None:
        """Let all Bearer tokens that are out look expired."""
        self._service.tokens.bearer.expire()

    def revoke_tokens(self) -> None:
        """Forget all Bearer, refresh and legacy tokens that are out; the permanent one stays good."""
        for family in (
            self._service.tokens.bearer,
            self._service.tokens.refresh,
            self._service.tokens.legacy,
            self._service.tokens.legacy_stay,
        ):
            family.revoke()

    def reset(self) -> None:
        """Return to the seeded world and the real time: no request, mail, fault or use of limits.

        Tokens stay good, except permanent ones that somebody has made.
        """
        self._service.reset()


def _listen(host: str, port: int) -> socket.socket:
    """Open the socket ourselves: a taken port is then an error here, and a free port is known at once."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # Without the protocol named, asyncio leaves Nagle's delay on, and each answer takes 40 ms.
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


def _shown_host(host: str) -> str:
    """Return the host for the URL; an address that stands for all is reached at the loopback one."""
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1" if host != "::" else "[::1]"
    return f"[{host}]" if ":" in host else host
