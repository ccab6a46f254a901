"""Descriptions of bulk actions for the log, without a lead's data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult, BulkAction
from airflow_provider_engagevoice.ringcx.exceptions import counted
from airflow_provider_engagevoice.ringcx.spec.lead_actions import NEW_LIST


class _Phrases(NamedTuple):
    """Text of the start of an action and of what it has done."""

    start: str
    done: str


_PHRASES: Mapping[str, _Phrases] = {
    "RESET_LEADS": _Phrases("Resetting {}", "reset {}"),
    "CANCEL_LEADS": _Phrases("Cancelling {}", "cancelled {}"),
    "PAUSE_LEADS": _Phrases("Pausing {}", "paused {}"),
    "READY_LEADS": _Phrases("Setting to READY: {}", "set {} to READY"),
    "DELETE_LEADS": _Phrases("Deleting {}", "deleted {}"),
    "SUPPRESS_LEADS": _Phrases("Suppressing {}", "suppressed {}"),
    "UNSUPPRESS_LEADS": _Phrases("Unsuppressing {}", "unsuppressed {}"),
    "MANUAL_LEADS": _Phrases("Adding a manual pass to {}", "added a manual pass to {}"),
    "EMAIL_LEADS": _Phrases("Emailing a list of {}", "emailed a list of {}"),
    "CALLBACK_LEADS": _Phrases("Changing callbacks of {}", "changed callbacks of {}"),
    "MOVE_TO_CAMPAIGN": _Phrases("Moving {}", "moved {}"),
    "AGENT_RESERVATION": _Phrases(
        "Changing the agent reservation of {}", "changed the agent reservation of {}"
    ),
    "DIALER_REFRESH": _Phrases(
        "Refreshing the dialer's lead cache for {}", "refreshed the dialer's lead cache"
    ),
}
_COPY = _Phrases("Copying {}", "copied {}")


def describe_start(action: BulkAction) -> str:
    """Describe an action before its first request.

    :param action: the action.
    :return: for example ``Moving READY leads from 'Spring' (248549) to 'Summer' (250004)``.
    """
    leads = _describe_leads(action)
    text = (
        f"Dry run of {action.name}: counting {leads}"
        if action.dry_run
        else _phrases(action).start.format(leads)
    )
    if action.name == "EMAIL_LEADS":
        text += f" to {_recipients(action)}"
    if "CAMPAIGN_ID" in action.params:
        name = "" if action.target is None else action.target["campaign_name"]
        text += f" to {_campaign(action.params['CAMPAIGN_ID'], name)}"
    return text


def describe_changes(action: BulkAction, result: ActionResult) -> str:
    """Describe what an action has done so far.

    :param action: the action.
    :param result: its counts.
    :return: for example ``cancelled 3 leads of 4 matched``.
    """
    done = _phrases(action).done
    if action.name == "DIALER_REFRESH":
        return done
    if action.name == "EMAIL_LEADS":
        return f"{done.format(counted(result['leads_matched'], 'lead'))} to {_recipients(action)}"
    changed = result["leads_updated"] + result["leads_deleted"]
    text = f"{done.format(counted(changed, 'lead'))} of {result['leads_matched']:,} matched"
    redials = result["redials_deleted"]
    return f"{text}, deleted {counted(redials, 'callback')}" if redials else text


def describe_result(action: BulkAction, result: ActionResult) -> str:
    """Describe the result of a complete action in one sentence.

    :param action: the action.
    :param result: its counts.
    :return: for example ``Cancelled 3 leads of 3 matched (1 request)``.
    """
    if not result["requests"]:
        new_list = str(action.params.get("LIST_ID")) == NEW_LIST
        return f"{action.name}: no lead matches; nothing was sent" + (
            ", no list was created" if new_list else ""
        )
    text = describe_changes(action, result)
    return f"{text[0].upper()}{text[1:]} ({counted(result['requests'], 'request')})"


def matching(leads: int) -> str:
    """Return the number of leads that match, with its verb."""
    return f"{counted(leads, 'lead')} {'matches' if leads == 1 else 'match'}"


def _phrases(action: BulkAction) -> _Phrases:
    if action.params.get("CREATE_COPY_SETTING", "false") != "false":
        return _COPY
    return _PHRASES[action.name]


def _describe_leads(action: BulkAction) -> str:
    body = dict(action.selection.body)
    campaigns = body.pop("campaignIds", [])
    body.pop("campaignId", None)
    states = body.pop("leadStates", [])
    text = f"{', '.join(states)} leads" if states else "leads"
    if body:
        # Without the campaigns, which are named below, and the states.
        text += f" with {type(action.selection)(body).describe()}"
    if action.source is not None:
        names = _campaign(action.source["campaign_id"], action.source["campaign_name"])
    elif campaigns:
        names = ", ".join(_campaign(campaign) for campaign in campaigns[:5])
        names += f" and {len(campaigns) - 5} more" if len(campaigns) > 5 else ""
    else:
        return text
    return f"{text} {'from' if 'CAMPAIGN_ID' in action.params else 'in'} {names}"


def _campaign(campaign_id: Any, name: str = "") -> str:
    return f"{name!r} ({campaign_id})" if name else f"campaign {campaign_id}"


def _recipients(action: BulkAction) -> str:
    return counted(len(str(action.params["EMAIL_TO"]).split(",")), "recipient")


def chunk_names(numbers: Iterable[int]) -> str:
    """Return the names of chunks for a log or an error, such as ``chunks 3, 5``.

    :param numbers: the chunks, counted from 0.
    """
    names = [str(number + 1) for number in sorted(numbers)]
    return f"chunk{'' if len(names) == 1 else 's'} {', '.join(names)}"
