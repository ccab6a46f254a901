"""Events of campaigns, with a task context that a test can look into."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_engagevoice import assets
from airflow_provider_engagevoice.assets import campaign_uri, emit_campaign_event
from airflow_provider_engagevoice.version_compat import asset_types

(ASSET, *_), ALIAS = asset_types()
URI = "ringcx://1/2"


class Accessor(SimpleNamespace):
    """Events of one outlet."""

    def add(self, asset: Any, extra: dict[str, Any]) -> None:
        self.added.append((asset.uri, extra))


class Events(dict[str, Accessor]):
    """Events of all outlets."""

    def __getitem__(self, outlet: Any) -> Accessor:
        return self.setdefault(getattr(outlet, "uri", None) or outlet.name, Accessor(extra={}, added=[]))


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Context of a task without outlets, in a run that no event has triggered. DAGs use campaigns 2 and 3."""
    known = {URI, "ringcx://1/3"}
    monkeypatch.setattr(assets, "find_asset", lambda events, uri: ASSET(uri) if uri in known else None)
    monkeypatch.setattr(assets, "triggering_assets", lambda context: context["triggers"])
    task = SimpleNamespace(outlets=[])
    return {"ti": SimpleNamespace(task=task), "outlet_events": Events(), "triggers": ()}


def added(context: dict[str, Any]) -> list[Any]:
    return [event for accessor in context["outlet_events"].values() for event in accessor.added]


def automatic(context: dict[str, Any]) -> list[Any]:
    """Return the outlets and their extras."""
    outlets = context["ti"].task.outlets
    return [(outlet.uri, context["outlet_events"][outlet].extra) for outlet in outlets]


def test_uri_has_account_and_campaign() -> None:
    assert campaign_uri(1, "2") == URI
    assert ASSET(URI).uri == URI


def test_event_has_counts_and_facts(context: dict[str, Any]) -> None:
    emit_campaign_event(context, "1", 2, {"leads_inserted": 5, "leads_updated": 0}, facts={"source": "crm"})
    assert automatic(context) == [(URI, {"source": "crm", "leads_inserted": 5, "leads_updated": 0})]


def test_no_event_if_no_dag_refers_to_the_campaign(context: dict[str, Any]) -> None:
    emit_campaign_event(context, "1", 4, {"leads": 5})
    assert automatic(context) == []
    context["ti"].task.outlets = [ALIAS("mine")]
    emit_campaign_event(context, "1", 4, {"leads": 5})
    assert added(context) == [("ringcx://1/4", {"leads": 5})]


@pytest.mark.parametrize(("counts", "dry_run"), [({}, False), ({"leads": 0}, False), ({"leads": 3}, True)])
def test_no_event_if_nothing_was_changed(
    context: dict[str, Any], counts: dict[str, int], dry_run: bool
) -> None:
    alias = ALIAS("mine")
    for outlets in ([], [alias]):
        context["ti"].task.outlets = outlets
        emit_campaign_event(context, 1, 2, counts, dry_run=dry_run)
        assert added(context) == []
        assert context["ti"].task.outlets == outlets


def test_declared_asset_tells_that_nothing_was_changed(context: dict[str, Any]) -> None:
    outlet = ASSET(URI)
    context["ti"].task.outlets = [outlet, ALIAS("mine")]
    context["outlet_events"][outlet].extra["kept"] = True
    emit_campaign_event(context, 1, 2, {"leads": 0}, dry_run=True)
    assert context["outlet_events"][outlet].extra == {"kept": True, "leads": 0, "dry_run": True}
    assert added(context) == []


def test_every_declared_alias_gets_the_event(context: dict[str, Any]) -> None:
    outlets = [ALIAS("first"), "something else", ASSET("ringcx://1/3"), ALIAS("second")]
    context["ti"].task.outlets = list(outlets)
    emit_campaign_event(context, 1, 2, {"leads": 1})
    assert added(context) == [(URI, {"leads": 1})] * 2
    assert context["ti"].task.outlets == outlets


def test_event_does_not_trigger_the_dag_that_it_has_triggered(
    context: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    context["triggers"] = {URI}
    emit_campaign_event(context, 1, 2, {"leads": 1})
    assert automatic(context) == []
    assert "has triggered this DAG run" in caplog.text
    emit_campaign_event(context, 1, 3, {"leads": 1})
    assert automatic(context) == [("ringcx://1/3", {"leads": 1})]


def test_outlets_of_other_tasks_are_not_changed(context: dict[str, Any]) -> None:
    shared: list[Any] = context["ti"].task.outlets
    emit_campaign_event(context, 1, 2, {"leads": 1})
    assert shared == []


def test_error_is_logged_and_not_raised(caplog: pytest.LogCaptureFixture) -> None:
    emit_campaign_event({}, 1, 2, {"leads": 1})
    assert "Cannot emit the asset event of ringcx://1/2: KeyError" in caplog.text
