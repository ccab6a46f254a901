"""Acting on leads: counted first, in as many requests as needed, every answer read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from airflow_provider_engagevoice.ringcx.actions import Action
from airflow_provider_engagevoice.ringcx.answers import tidy
from airflow_provider_engagevoice.ringcx.campaigns import Campaign, Campaigns, Request, account_path
from airflow_provider_engagevoice.ringcx.criteria import CHUNK_SIZE
from airflow_provider_engagevoice.ringcx.errors import (
    ActionRejected,
    EngageVoiceError,
    InvalidParameter,
    OutcomeUnknown,
    TooManyLeads,
    UnexpectedAnswer,
)
from airflow_provider_engagevoice.ringcx.leads import Leads
from airflow_provider_engagevoice.ringcx.moves import NewList, is_new_list
from airflow_provider_engagevoice.ringcx.parameters import find_action, read_params
from airflow_provider_engagevoice.ringcx.selection import Selection

log = logging.getLogger(__name__)


class _Counts(TypedDict):
    lead_action: str
    dry_run: bool
    leads_matched: int
    leads_updated: int
    leads_deleted: int
    redials_deleted: int
    dialer_refreshed: bool
    requests: int
    account_id: str


class ActionSummary(_Counts, total=False):
    """What an action did.

    Counts are RingCX's own (contract, ``LeadActionResult``), summed over requests. ``leads_matched`` is
    counted before the act; ``requests`` are the requests that acted. A move adds ``campaign_id``,
    ``list_id`` (None where no list was made) and ``list_name`` of its target.
    """

    campaign_id: int | None
    list_id: int | None
    list_name: str | None


@dataclass(frozen=True)
class Act:
    """One action on one selection, checked and ready to be done.

    :param action: the action.
    :param selection: the leads.
    :param params: the action's ``paramMap``.
    :param dry_run: count the leads and do nothing.
    :param max_leads: refuse to act on more leads than this; None for no bound.
    :param chunk_size: most ids in one request.
    :param target: the campaign of a move, where it has been looked up already.
    """

    action: Action
    selection: Selection
    params: Mapping[str, Any]
    dry_run: bool = False
    max_leads: int | None = None
    chunk_size: int = CHUNK_SIZE
    target: Campaign | None = None

    @classmethod
    def of(cls, lead_action: object, selection: Selection, params: object, **bounds: Any) -> Act:
        """Check an action and its parameters.

        :param lead_action: the action's name.
        :param selection: the leads.
        :param params: the action's parameters, as rendered.
        :param bounds: the other fields.
        :return: the act.
        :raises InvalidParameter: where the action is unknown, or a parameter missing or wrong.
        """
        action = find_action(lead_action)
        return cls(action, selection, read_params(action, params), **bounds)

    def parts(self) -> list[Selection]:
        """Cut the selection into what one request takes.

        :return: the parts; only one where doing the action to parts is not the same. One lead may have
            several numbers, and so be in two parts.
        """
        twice = "leadPhoneNumbers" in self.selection.body and not self.action.may_be_repeated(self.params)
        if twice or not self.action.divisible:
            return [self.selection]
        return list(self.selection.parts(self.chunk_size))


@dataclass(frozen=True)
class LeadActions:
    """Acts on the leads of one sub-account.

    :param request: sends a request: method, path, and keyword arguments.
    :param leads: counts leads.
    :param campaigns: looks up lists.
    """

    request: Request
    leads: Leads
    campaigns: Campaigns

    def perform(self, act: Act) -> ActionSummary:
        """Do an action, in as many requests as its ids need.

        Counts first: nothing is sent where nothing matches, and nothing at all where more match than
        ``max_leads`` allows.

        :param act: the action, the leads and the bounds.
        :return: what was done.
        :raises TooManyLeads: where more leads match than ``max_leads``.
        :raises ActionRejected: where RingCX says ``success: false``.
        :raises OutcomeUnknown: where an action that must not be repeated may have been done, wholly or
            in part.
        """
        summary = nothing_done(act.action.name, self.leads.account_id, dry_run=act.dry_run)
        if act.selection.empty:
            return summary
        parts = [(part, self.leads.count(part)) for part in act.parts()]
        summary["leads_matched"] = sum(matched for _, matched in parts)
        log.info("%s: %d leads match %s", act.action.name, summary["leads_matched"], act.selection.describe())
        if act.max_leads is not None and summary["leads_matched"] > act.max_leads:
            raise TooManyLeads(
                f"{act.action.name} would act on {summary['leads_matched']} leads, more than max_leads="
                f"{act.max_leads}; nothing was changed"
            )
        if act.dry_run:
            log.info("%s: dry run, nothing was changed", act.action.name)
            params = act.params
        else:
            params = self._apply(
                act, [part for part in parts if part[1] or not act.action.needs_leads], summary
            )
            log.info(
                "%s: %d leads updated, %d deleted, in %d requests",
                act.action.name,
                summary["leads_updated"],
                summary["leads_deleted"],
                summary["requests"],
            )
        if "LIST_ID" in params:
            list_id = None if is_new_list(params) else int(params["LIST_ID"])
            summary["campaign_id"] = params["CAMPAIGN_ID"]
            summary["list_id"] = list_id
            summary["list_name"] = params.get("LIST_NAME")
        return summary

    def _apply(
        self, act: Act, parts: list[tuple[Selection, int]], summary: ActionSummary
    ) -> Mapping[str, Any]:
        """Send the requests.

        :return: the parameters of the last one, with the id of the list that a move has made.
        """
        params = act.params
        new_list = self._new_list(act) if parts and is_new_list(params) else None
        done = 0
        try:
            for part, matched in parts:
                try:
                    self._send(act.action, part, params, summary)
                except OutcomeUnknown as error:
                    summary["leads_updated"] += self._settled(part, params, matched, new_list, error)
                done += 1
                if new_list is not None:
                    # The rest goes into the list that the first request made.
                    params = new_list.fill(params)
        except EngageVoiceError as error:
            if done:
                raise _stopped(act, error, done, len(parts)) from None
            raise
        return params

    def _new_list(self, act: Act) -> NewList:
        target = act.target
        if target is None:
            target = self.campaigns.find(act.params["CAMPAIGN_ID"], account_id=self.leads.account_id)
        return NewList.before_move(self.campaigns, target)

    def _settled(
        self,
        part: Selection,
        params: Mapping[str, Any],
        matched: int,
        new_list: NewList | None,
        error: OutcomeUnknown,
    ) -> int:
        """Look up whether a move whose answer was lost has taken place.

        :return: how many leads it moved.
        :raises OutcomeUnknown: where the leads cannot tell: the act is no move into a new list, or copies,
            or the leads would not have left the campaigns they are selected from, or some are still there.
        """
        sources = part.body.get("campaignIds", ())
        if new_list is None or not sources or params["CREATE_COPY_SETTING"] != "false":
            raise error
        if params["CAMPAIGN_ID"] in sources:
            raise error
        try:
            left = self.leads.count(part)
            # Leads may also leave a selection by their state, so the new list has to show them.
            arrived = 0 if left else self._arrived(new_list.fill(params))
        except EngageVoiceError:
            raise error from None
        if left or arrived < matched:
            raise OutcomeUnknown(
                f"{error} ({left} of {matched} leads are still in the source, {arrived} in the new list)",
                status=error.status,
                request=error.request,
            ) from None
        log.warning(
            "The answer to the move was lost, but all %d leads are in the new list: it was done", matched
        )
        return matched

    def _arrived(self, params: Mapping[str, Any]) -> int:
        """Count the leads in the list of a move; none where it made no list."""
        if is_new_list(params):
            return 0
        campaign = params["CAMPAIGN_ID"]
        body = {"campaignId": campaign, "campaignIds": [campaign], "listIds": [params["LIST_ID"]]}
        return self.leads.count(Selection(body))

    def _send(
        self, action: Action, part: Selection, params: Mapping[str, Any], summary: ActionSummary
    ) -> None:
        path = f"{account_path(self.leads.account_id)}/campaignLeads/actions"
        summary["requests"] += 1
        answer = self.request(
            "PUT",
            path,
            params={"leadAction": action.name},
            json={"campaignLeadSearchCriteria": part.body, "leadActionParams": {"paramMap": params}},
            repeatable=action.may_be_repeated(params),
        )
        if answer is False or (isinstance(answer, dict) and answer.get("success") is False):
            said = answer.get("errorMessage") if isinstance(answer, dict) else None
            raise ActionRejected(
                f"RingCX rejected {action.name}: {tidy(str(said or 'it gave no reason'))}", status=200
            )
        if not isinstance(answer, dict) or answer.get("success") is not True:
            raise _unconfirmed(action, params)
        summary["leads_updated"] += _number(answer, "leadUpdateCount")
        summary["leads_deleted"] += _number(answer, "leadDeleteCount")
        summary["redials_deleted"] += _number(answer, "redialDeleteCount")
        summary["dialer_refreshed"] |= answer.get("dialerRefreshed") is True


def nothing_done(lead_action: str, account_id: str, *, dry_run: bool) -> ActionSummary:
    """Make the summary of an action before it has done anything.

    :param lead_action: the action's name.
    :param account_id: the sub-account.
    :param dry_run: nothing will be done.
    :return: the summary, all counts zero.
    """
    return ActionSummary(
        lead_action=lead_action,
        dry_run=dry_run,
        leads_matched=0,
        leads_updated=0,
        leads_deleted=0,
        redials_deleted=0,
        dialer_refreshed=False,
        requests=0,
        account_id=account_id,
    )


def check_bounds(max_leads: int | None, chunk_size: int) -> None:
    """Check the bounds of an act before anything is sent.

    :param max_leads: most leads to act on.
    :param chunk_size: most ids in one request.
    :raises InvalidParameter: where one is no such number.
    """
    if max_leads is not None and not _is_count(max_leads):
        raise InvalidParameter("max_leads must be a whole number of leads, or None for no bound")
    if not _is_count(chunk_size) or chunk_size == 0:
        raise InvalidParameter("chunk_size must be a whole number of ids, at least 1")


def _stopped(act: Act, error: EngageVoiceError, done: int, of: int) -> EngageVoiceError:
    """Make the error of an act that came to its end half-way."""
    log.error("%s stopped after %d of %d requests", act.action.name, done, of)
    if act.action.may_be_repeated(act.params):
        return error
    advice = f", and {act.action.name} must not be done twice; look at the leads before running it again"
    return OutcomeUnknown(
        f"{error}. {done} of {of} requests had been done before"
        + ("" if isinstance(error, OutcomeUnknown) else advice),
        status=error.status,
        request=error.request,
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _unconfirmed(action: Action, params: Mapping[str, Any]) -> EngageVoiceError:
    text = f"RingCX answered {action.name} with something other than its result"
    if action.may_be_repeated(params):
        return UnexpectedAnswer(text, status=200)
    return OutcomeUnknown(
        f"{text}. It may have been done and must not be done twice; look at the leads", status=200
    )


def _number(answer: Mapping[str, Any], key: str) -> int:
    value = answer.get(key)
    return value if isinstance(value, int) and _is_count(value) else 0
