"""The hook: an Airflow connection turned into a ready RingCX client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from os import PathLike
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice.get_provider_info import (
    CONNECTION_TYPE,
    EXTRA_FIELDS,
    HIDDEN_FIELDS,
    HOOK_NAME,
    PLACEHOLDERS,
    RELABELING,
)
from airflow_provider_engagevoice.ringcx.criteria import CHUNK_SIZE, UNSET
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, PermanentError
from airflow_provider_engagevoice.version_compat import AirflowFailException, BaseHook, storage_path

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult
    from airflow_provider_engagevoice.ringcx.campaigns import Campaign
    from airflow_provider_engagevoice.ringcx.client import RingCXClient
    from airflow_provider_engagevoice.ringcx.leads.id_file import IdFile
    from airflow_provider_engagevoice.ringcx.leads.selection import Selection


class EngageVoiceHook(BaseHook):
    """Talk to RingCentral RingCX (formerly Engage Voice) with an Airflow connection.

    All tasks of a host, or of all hosts that name the same Redis server in ``rate_limit_store``, share
    RingCX's limits and one token; the requests of one hook share one TCP connection.

    :param engagevoice_conn_id: id of a connection of type ``engagevoice``.
    """

    conn_name_attr = "engagevoice_conn_id"
    default_conn_name = "engagevoice_default"
    conn_type = CONNECTION_TYPE
    hook_name = HOOK_NAME

    def __init__(self, engagevoice_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.engagevoice_conn_id = engagevoice_conn_id
        self._client: RingCXClient | None = None
        self._stopped = False

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Give the connection form's extra fields to Airflow before 3.2; newer ones read the provider info.

        :return: a widget for each field.
        """
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from wtforms import IntegerField, PasswordField, StringField
        from wtforms.validators import Optional

        widgets = {}
        for name, field in EXTRA_FIELDS.items():
            secret = field["schema"].get("format") == "password"
            kind = (
                IntegerField
                if "integer" in field["schema"]["type"]
                else PasswordField
                if secret
                else StringField
            )
            widgets[name] = kind(
                field["label"],
                description=field["description"],
                validators=[Optional()],
                widget=BS3PasswordFieldWidget() if secret else BS3TextFieldWidget(),
            )
        return widgets

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Tell Airflow before 3.2 how to label the form's standard fields.

        :return: hidden fields, labels and placeholders.
        """
        return {
            "hidden_fields": list(HIDDEN_FIELDS),
            "relabeling": dict(RELABELING),
            "placeholders": dict(PLACEHOLDERS),
        }

    def get_conn(self) -> RingCXClient:
        """Give the client; made once per hook.

        :return: the client. It signs in when it sends its first request.
        :raises InvalidParameter: where the connection lacks something; names it.
        """
        if self._client is None:
            from airflow_provider_engagevoice.hooks.client_factory import client_of

            self._client = client_of(self.get_connection(self.engagevoice_conn_id))
            if self._stopped:
                self._client.stop.set()
        return self._client

    def stop(self) -> None:
        """Let what the hook is doing end soon: nothing more is sent, and a wait for limits ends at once.

        A request that is under way is answered first. For a task that is to end; called from another
        thread, or from a signal's handler. What was being done raises ``Cancelled``.
        """
        self._stopped = True
        if self._client is not None:
            self._client.stop.set()

    def perform_lead_action(
        self,
        lead_action: str,
        search_criteria: Mapping[str, Any] | str | Any = UNSET,
        action_params: Mapping[str, Any] | str | None = None,
        *,
        source: Any = None,
        source_column: str | None = None,
        source_as: str = "externIds",
        account_id: str | None = None,
        dry_run: bool = False,
        max_leads: int | None = None,
        account_wide: bool = False,
        chunk_size: int = CHUNK_SIZE,
        on_rejected: str = "fail",
        report: str | PathLike[str] | None = None,
        verify: bool = False,
    ) -> ActionResult:
        """Do a lead action.

        :param lead_action: one of RingCX's 13 actions, such as ``CANCEL_LEADS``.
        :param search_criteria: which leads, with RingCX's keys or as ``LeadSearchCriteria``. Whatever
            is empty in them selects nothing: leave a key out to mean "any". Lists of ids may be of any
            length, and iterators. With a source they may be left out.
        :param action_params: the action's ``paramMap``; default none.
        :param source: file of ids: a path, an object storage URL or an ``ObjectStoragePath``. One id a line
            (``.txt`` or no suffix), ``.csv``, ``.jsonl``, ``.ndjson`` (each also as ``.gz``) or ``.parquet``.
            The first line of a ``.csv`` names its columns and is no id; a file without such a line must be a
            ``.txt``.
        :param source_column: its column, as the first line of a ``.csv`` names it; default the only one.
        :param source_as: ``"externIds"`` (default), ``"leadIds"`` or ``"leadPhoneNumbers"``.
        :param account_id: sub-account; default the connection's, else the only one.
        :param dry_run: count the leads and do nothing; default False.
        :param max_leads: refuse to act on more leads; default no bound.
        :param account_wide: allow criteria that name no campaign, list, lead, external id or phone.
        :param chunk_size: most ids in one request; default 500.
        :param on_rejected: where RingCX rejects a request: ``"fail"`` (default) ends there, ``"continue"``
            does the others and fails then, ``"ignore"`` does the others.
        :param report: private CSV file, ``id,outcome``, of ids that were rejected or not found; default none.
        :param verify: count afterwards what is not in the state that the action gives, repeat the act for it
            where that is safe, and fail where some is left after 5 rounds; default False.
        :return: counts: ``lead_action, dry_run, leads_matched, leads_updated, leads_deleted,
            redials_deleted, dialer_refreshed, requests, account_id``; ``ids_rejected`` unless
            ``on_rejected`` is ``"fail"``, ``ids_not_found`` with a report.
        :raises InvalidCriteria: where the criteria could select something else than meant.
        :raises InvalidParameter: where a parameter is missing or wrong.
        :raises TooManyLeads: where more leads match than ``max_leads``.
        :raises OutcomeUnknown: where an action that must not be repeated may have been done.
        :raises EngageVoiceError: for all else that can go wrong.
        """
        from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction, empty_result
        from airflow_provider_engagevoice.ringcx.bulk.options import validate_options

        validate_options(max_leads, chunk_size, on_rejected)
        ids = None
        if source is not None:
            from airflow_provider_engagevoice.ringcx.leads.id_file import open_id_file

            ids = open_id_file(storage_path(source), source_column, source_as)
        selection = self._selection(search_criteria, account_wide, ids)
        act = BulkAction.of(
            lead_action,
            selection,
            action_params,
            dry_run=dry_run,
            max_leads=max_leads,
            chunk_size=chunk_size,
            on_rejected=on_rejected,
            report=report,
            verify=verify,
        )
        if selection.empty:
            account = str(account_id or self.get_conn().account_id or "")
            return empty_result(act.action.name, account, dry_run=dry_run)
        return self.get_conn().lead_actions(account_id).execute(act)

    def search_leads(
        self,
        search_criteria: Mapping[str, Any] | str,
        *,
        account_id: str | None = None,
        account_wide: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Give every lead that matches exactly once, page by page.

        :param search_criteria: as for :meth:`perform_lead_action`.
        :param account_id: sub-account; default the connection's, else the only one.
        :param account_wide: allow criteria that name no campaign, list, lead, external id or phone.
        :return: RingCX's own rows: ``leadId``, ``externId``, ``leadState`` and so on. They are personal
            data: keep them out of logs and XCom.
        :raises InvalidCriteria: where the criteria could select something else than meant.
        """
        selection = self._selection(search_criteria, account_wide)
        if selection.empty:
            return iter(())
        leads = self.get_conn().leads(account_id)
        parts = selection.chunks(CHUNK_SIZE, disjoint=True)
        return chain.from_iterable(leads.search(part) for part in parts)

    def count_leads(
        self,
        search_criteria: Mapping[str, Any] | str,
        *,
        account_id: str | None = None,
        account_wide: bool = False,
    ) -> int:
        """Count the leads that match, without fetching them.

        :param search_criteria: as for :meth:`perform_lead_action`.
        :param account_id: sub-account; default the connection's, else the only one.
        :param account_wide: allow criteria that name no campaign, list, lead, external id or phone.
        :return: their number.
        :raises InvalidCriteria: where the criteria could select something else than meant.
        """
        selection = self._selection(search_criteria, account_wide)
        if selection.empty:
            return 0
        leads = self.get_conn().leads(account_id)
        return sum(leads.count(part) for part in selection.chunks(CHUNK_SIZE, disjoint=True))

    def find_campaign(
        self, campaign: str | int, *, account_id: str | None = None, dial_group_name: str | None = None
    ) -> Campaign:
        """Find a campaign by its exact name, or by id.

        Costs one request per account, and one more where neither this call nor the connection names
        the account.

        :param campaign: name or id.
        :param account_id: look in this sub-account only; default the connection's, else all.
        :param dial_group_name: look in dial groups of this exact name only.
        :return: ``account_id, dial_group_id, dial_group_name, campaign_id, campaign_name, is_active``.
        :raises CampaignNotFound: where there is none; names the nearest names.
        :raises CampaignAmbiguous: where there are several; lists them.
        """
        return self.get_conn().campaigns.find(
            campaign, account_id=account_id, dial_group_name=dial_group_name
        )

    def request(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, json: Any = None
    ) -> Any:
        """Send a request to any other RingCX endpoint, with the same sign-in and errors.

        :param method: HTTP method. Only GET is sent again where its fate is unknown.
        :param path: path as in RingCX's guide, such as
            ``/voice/api/v1/admin/accounts/{accountId}/agentGroups``; ``{accountId}`` becomes the default
            sub-account.
        :param params: query; default none.
        :param json: body; default none.
        :return: the JSON value of the answer, text, or None.
        :raises EngageVoiceError: of the class for what went wrong.
        """
        return self.get_conn().request(method, path, params, json)

    def test_connection(self) -> tuple[bool, str]:
        """Sign in and list the accounts that answer; changes nothing.

        :return: whether it works, and a sentence that says what was found or what is wrong.
        """
        try:
            client = self.get_conn()
            seen = client.campaigns.accounts()
        except EngageVoiceError as error:
            return False, str(error)
        names = (
            ", ".join(f"{account['account_id']} ({account['account_name']})" for account in seen) or "none"
        )
        if client.account_id and client.account_id not in [account["account_id"] for account in seen]:
            return (
                False,
                f"Signed in to {client.host}, but account_id {client.account_id} is not among: {names}",
            )
        return True, f"Signed in to {client.host}; sub-accounts: {names}"

    def _selection(
        self, search_criteria: Mapping[str, Any] | str | Any, account_wide: bool, source: IdFile | None = None
    ) -> Selection:
        from airflow_provider_engagevoice.ringcx.leads.selection import select

        selection = select(search_criteria, account_wide=account_wide, source=source)
        if selection.empty:
            self.log.warning("Nothing is selected: %s; leave a key out to mean any", selection.empty)
        return selection


@contextmanager
def no_retry_on_permanent_errors() -> Iterator[None]:
    """Turn errors that no retry can mend into Airflow's failure without retry.

    The operators and the sensor do so by themselves. Put it around the hook's calls in a task of your
    own that has retries: after ``OutcomeUnknown``, say, a retry could do an action twice.

    :raises AirflowFailException: in place of an error that says it is not retryable.
    """
    try:
        yield
    except EngageVoiceError as error:
        if not isinstance(error, PermanentError):
            raise
        raise AirflowFailException(f"{type(error).__name__}: {error}") from None
