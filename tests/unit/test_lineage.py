"""OpenLineage datasets of a task, with and without OpenLineage's provider."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from airflow_provider_engagevoice.lineage import (
    Dataset,
    Lineage,
    action_lineage,
    campaign_dataset,
    openlineage_facets,
    path_datasets,
)
from airflow_provider_engagevoice.ringcx.bulk.changes import CampaignChanges
from airflow_provider_engagevoice.templating import RedactedPath
from airflow_provider_engagevoice.version_compat import storage_path

HOST = "https://ringcx.ringcentral.com"
NAMESPACE = "ringcx://ringcx.ringcentral.com"


@pytest.mark.parametrize(
    ("path", "namespace", "name"),
    [
        ("/data/ids.csv", "file", "/data/ids.csv"),
        ("ids.csv", "file", str(Path.cwd() / "ids.csv")),
        ("file:///data/ids.csv", "file", "/data/ids.csv"),
        ("s3://bucket/in/ids.csv", "s3://bucket", "in/ids.csv"),
        ("s3://aws_default@bucket/in/ids.csv", "s3://bucket", "in/ids.csv"),
        (Path("/data/ids.csv"), "file", "/data/ids.csv"),
        (storage_path("file:///data/ids.csv"), "file", "/data/ids.csv"),
    ],
    ids=str,
)
def test_path_becomes_namespace_and_name(path: object, namespace: str, name: str) -> None:
    assert path_datasets(path) == (Dataset(namespace, name),)


@pytest.mark.parametrize(
    "value", [None, "", "A-1", "A-1,A-2", ["A-1"], 5, RedactedPath("/data/A-1")], ids=repr
)
def test_value_that_is_no_path_is_left_out(value: object) -> None:
    assert path_datasets(value) == ()


def test_lineage_of_an_action_has_rows_of_its_campaign() -> None:
    changes = CampaignChanges("1", {"leads_updated": 3, "leads_deleted": 1}, changed=(2,))
    ids = (Dataset("file", "/ids.csv"),)
    assert action_lineage(changes, HOST, ids) == Lineage(ids, (Dataset(NAMESPACE, "1/2", 4),))


def test_lineage_of_several_campaigns_has_no_rows() -> None:
    changes = CampaignChanges("1", {"leads_updated": 3}, changed=(2, 3))
    assert action_lineage(changes, HOST).outputs == (Dataset(NAMESPACE, "1/2"), Dataset(NAMESPACE, "1/3"))


def test_lineage_of_a_move_leads_from_source_to_target() -> None:
    changes = CampaignChanges("1", {"leads_updated": 3}, changed=(2, 9), sources=(2,), target=9)
    assert action_lineage(changes, HOST) == Lineage(
        (Dataset(NAMESPACE, "1/2"),), (Dataset(NAMESPACE, "1/9", 3),)
    )


def test_lineage_of_a_dry_run_has_no_output() -> None:
    changes = CampaignChanges("1", {}, dry_run=True, changed=(2, 9), sources=(2,), target=9)
    assert action_lineage(changes, HOST) == Lineage((Dataset(NAMESPACE, "1/2"),))


def test_facets_have_datasets_and_row_counts() -> None:
    pytest.importorskip("airflow.providers.openlineage")
    lineage = Lineage((Dataset("file", "/ids.csv"),), (campaign_dataset(HOST, 1, 2, 5), Dataset("x", "y")))
    facets = openlineage_facets(lineage)
    assert [(each.namespace, each.name) for each in facets.inputs] == [("file", "/ids.csv")]
    assert [(each.namespace, each.name) for each in facets.outputs] == [(NAMESPACE, "1/2"), ("x", "y")]
    assert facets.outputs[0].outputFacets["outputStatistics"].rowCount == 5
    assert facets.outputs[1].outputFacets == {}


def test_no_facets_without_lineage_or_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    assert openlineage_facets(None) is None
    monkeypatch.setitem(sys.modules, "airflow.providers.openlineage.extractors", None)
    assert openlineage_facets(Lineage()) is None
