"""Asset events of campaigns; on Airflow 2.11 dataset events.

The asset of a campaign is ``ringcx://<account>/<campaign>``, with RingCX's ids. A task that has changed
campaigns emits the event of each when it succeeds:

- If its ``outlets`` contain the asset, the event gets the counts as its extra. Airflow emits this event
  whether or not leads were changed.
- If they contain aliases, the event is emitted through those.
- Otherwise the asset is added to the outlets while the task runs, if a DAG refers to it. This costs nothing
  when the DAG is parsed, and a run that changed nothing emits nothing. No asset and no alias is created: if
  two tasks create the same one at once, Airflow sets one of the tasks to failed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice.version_compat import (
    asset_types,
    find_asset,
    triggering_assets,
)

if TYPE_CHECKING:
    from airflow_provider_engagevoice.version_compat import Context

log = logging.getLogger(__name__)


def campaign_uri(account_id: str | int, campaign_id: str | int) -> str:
    """Return the URI of a campaign's asset.

    :param account_id: the sub-account.
    :param campaign_id: the campaign.
    :return: for example ``ringcx://50810001/20001``.
    """
    return f"ringcx://{account_id}/{campaign_id}"


def emit_campaign_event(
    context: Context,
    account_id: str | int,
    campaign_id: str | int,
    counts: Mapping[str, int],
    *,
    facts: Mapping[str, str | int] | None = None,
    dry_run: bool = False,
) -> None:
    """Emit the event of a campaign when the task succeeds, unless nothing was changed.

    Call it after the last change. It never raises: the leads have been changed, and a failed task could be
    retried.

    :param context: the task's context.
    :param account_id: the sub-account.
    :param campaign_id: the campaign.
    :param counts: numbers of changed leads, such as ``leads_updated``; all zero if nothing was changed.
    :param facts: further values of the event's extra: names and ids of the run, no lead's data.
    :param dry_run: whether the task only counted leads.
    """
    uri = campaign_uri(account_id, campaign_id)
    # Scalars only: Airflow before 3.1 puts the values into a set.
    extra: dict[str, Any] = {**(facts or {}), **counts}
    if dry_run:
        extra["dry_run"] = True
    with warn_on_error(f"emit the asset event of {uri}"):
        _emit(context, uri, extra, changed=not dry_run and any(counts.values()))


@contextmanager
def warn_on_error(purpose: str) -> Iterator[None]:
    """Log an error instead of raising it: after leads were changed, a failed task could change them again.

    :param purpose: what cannot be done if there is an error.
    """
    try:
        yield
    except Exception as error:
        log.warning("Cannot %s: %s: %s", purpose, type(error).__name__, error)


def _emit(context: Context, uri: str, extra: Mapping[str, Any], *, changed: bool) -> None:
    with_uri, alias_type = asset_types()
    task, events = context["ti"].task, context["outlet_events"]
    outlets: list[Any] = list(task.outlets or ())
    declared = [each for each in outlets if isinstance(each, with_uri) and each.uri == uri]
    for outlet in declared:
        events[outlet].extra.update(extra)
    if declared or not changed:
        return
    aliases = [each for each in outlets if isinstance(each, alias_type)]
    if not aliases and uri in triggering_assets(context):
        log.info("No asset event of %s: an event of it has triggered this DAG run", uri)
        return
    asset = find_asset(events, uri)
    for alias in aliases:
        events[alias].add(asset or with_uri[0](uri=uri), extra=dict(extra))
    if not aliases:
        if asset is None:
            return
        task.outlets = [*outlets, asset]
        events[asset].extra.update(extra)
    log.info("Asset event: %s", uri)
