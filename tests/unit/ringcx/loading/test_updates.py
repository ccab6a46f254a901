"""Updates of leads with rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidParameter,
    RowsRejected,
    SourceRejected,
    TooManyLeads,
)
from airflow_provider_engagevoice.ringcx.loading.updates import changed_fields
from tests.support.clients import make_client
from tests.support.loading import Crm, counts, crm_row, crm_rows, outcomes, read_report


@pytest.fixture
def loaded(crm: Crm) -> Crm:
    """A campaign with six leads."""
    data = {"plan": "basic", "since": 2019}
    crm.load(crm_rows(6, firstName="Old", city="Boston", extendedLeadData=data), load_id="before")
    return crm


@pytest.fixture
def bodies(loaded: Crm, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, dict[str, Any]]]:
    """The fields that updates send, each with the lead."""
    from airflow_provider_engagevoice.ringcx.client import RingCXClient

    sent: list[tuple[int, dict[str, Any]]] = []
    request_steps = RingCXClient.request_steps

    def record(self: RingCXClient, method: str, path: str, *args: Any, **options: Any) -> Any:
        if method == "PATCH":
            sent.append((int(path.rpartition("/")[2]), options["json"]))
        return request_steps(self, method, path, *args, **options)

    monkeypatch.setattr(RingCXClient, "request_steps", record)
    return sent


def field(crm: Crm, name: str) -> dict[str, Any]:
    return {lead["externId"]: lead[name] for lead in crm.leads}


def test_only_leads_and_fields_that_differ_are_sent(
    loaded: Crm, bodies: list[tuple[int, dict[str, Any]]], tmp_path: Path
) -> None:
    rows = [
        crm_row(0, firstName="Old", city="Boston"),
        crm_row(1, firstName="New", city="Boston"),
        crm_row(2, firstName="Old", city=""),
        crm_row(3, leadPhone="(617) 555-0003", maxPasses=2),
    ]
    report = tmp_path / "report.csv"
    result = loaded.update(rows, report=str(report))
    assert (counts(result), result["rows"], result["requests"]) == ((0, 2, 2, 0, 0), 4, 2)
    ids = field(loaded, "leadId")
    assert sorted(bodies, key=str) == sorted(
        [(ids["K-1"], {"firstName": "New"}), (ids["K-3"], {"maxPasses": 2})], key=str
    )
    assert outcomes(report) == ["skipped_existing", "updated", "skipped_existing", "updated"]
    assert [line["lead_id"] for line in read_report(report)] == [str(ids[f"K-{n}"]) for n in range(4)]
    assert field(loaded, "firstName") == {f"K-{n}": "New" if n == 1 else "Old" for n in range(6)}
    assert set(field(loaded, "city").values()) == {"Boston"}


@pytest.mark.parametrize("phone", ["(617) 555-0003", "+1 617 555 0003", "16175550003", 6175550003])
def test_phone_number_in_another_form_is_not_sent(loaded: Crm, phone: Any) -> None:
    assert counts(loaded.update([crm_row(3, leadPhone=phone)])) == (0, 0, 1, 0, 0)


def test_second_update_sends_nothing(loaded: Crm) -> None:
    rows = crm_rows(6, firstName="New", extendedLeadData={"plan": "gold"}, maxPasses=3)
    assert counts(loaded.update(rows)) == (0, 6, 0, 0, 0)
    assert counts(loaded.update(rows)) == (0, 0, 6, 0, 0)
    assert len(loaded.patches) == 6


def test_extended_data_is_merged(loaded: Crm, bodies: list[tuple[int, dict[str, Any]]]) -> None:
    assert counts(loaded.update([crm_row(1, extendedLeadData={"plan": "gold"})])) == (0, 1, 0, 0, 0)
    assert bodies[0][1] == {"extendedLeadData": {"plan": "gold", "since": 2019}}
    assert counts(loaded.update([crm_row(1, extendedLeadData={"since": 2019})])) == (0, 0, 1, 0, 0)


@pytest.mark.parametrize("value", ["gold", 7, 1.5, True, False, None, ["a", 1], {"a": {"b": None}}])
def test_extended_data_of_any_type_is_updated_once(loaded: Crm, value: Any) -> None:
    rows = [crm_row(1, extendedLeadData={"plan": value, "since": 2019})]
    if value is None:
        rows = [crm_row(1, extendedLeadData={"new": value})]
    assert counts(loaded.update(rows)) == (0, 1, 0, 0, 0)
    assert counts(loaded.update(rows)) == (0, 0, 1, 0, 0)


def test_extended_data_that_is_shown_as_text_is_equal() -> None:
    data = {"number": 7, "list": [1, "a"]}
    shown = {"number": "7", "list": '[1, "a"]', "other": "x"}
    assert changed_fields({"extendedLeadData": data}, {"campaignLead": {"extendedLeadData": shown}}) == {}
    changed = changed_fields({"extendedLeadData": {"number": 8}}, {"extendedLeadData": shown})
    assert changed == {"extendedLeadData": {**shown, "number": 8}}


def test_unknown_keys_are_rejected_before_anything_is_changed(loaded: Crm, tmp_path: Path) -> None:
    rows = [crm_row(1, firstName="New"), crm_row(50, firstName="New")]
    with pytest.raises(RowsRejected, match="no lead with this external id: 1"):
        loaded.update(rows)
    assert not loaded.patches
    report = tmp_path / "report.csv"
    assert counts(loaded.update(rows, on_rejected="ignore", report=str(report))) == (0, 1, 0, 1, 0)
    assert [line["code"] for line in read_report(report)] == ["", "not_found"]
    with pytest.raises(RowsRejected) as caught:
        loaded.update([crm_row(2, firstName="New"), rows[1]], on_rejected="continue")
    assert caught.value.result is not None
    assert counts(caught.value.result) == (0, 1, 0, 1, 0)


def test_key_of_several_leads_is_rejected(loaded: Crm) -> None:
    loaded.load([crm_row(1)], load_id="once more")
    rows = [crm_row(1, firstName="New"), crm_row(2, firstName="New")]
    with pytest.raises(RowsRejected, match="several leads with this external id: 1"):
        loaded.update(rows)
    assert not loaded.patches
    assert counts(loaded.update(rows, on_rejected="ignore")) == (0, 1, 0, 1, 0)


def test_keys_are_compared_exactly(loaded: Crm) -> None:
    with pytest.raises(RowsRejected, match="no lead with this external id"):
        loaded.update([{"externId": "k-1", "firstName": "New"}])


def test_leads_of_other_campaigns_are_not_changed(loaded: Crm) -> None:
    loaded.campaign = "Summer Win-Back"
    with pytest.raises(RowsRejected, match="no lead with this external id"):
        loaded.update([crm_row(1, firstName="New")])


def test_more_updates_than_the_limit_change_nothing(loaded: Crm) -> None:
    rows = crm_rows(4, firstName="New")
    with pytest.raises(TooManyLeads, match=r"Raise max_updates above 3 to update 4 leads.*150 a minute"):
        loaded.update(rows, max_updates=3)
    assert not loaded.patches
    assert counts(loaded.update(rows, max_updates=4)) == (0, 4, 0, 0, 0)


def test_limit_counts_only_leads_that_differ(loaded: Crm) -> None:
    rows = [crm_row(0, firstName="New"), *crm_rows(5, 1)]
    assert counts(loaded.update(rows, max_updates=1)) == (0, 1, 5, 0, 0)
    assert counts(loaded.update(rows, max_updates=0)) == (0, 0, 6, 0, 0)


def test_lead_that_disappears_is_rejected(loaded: Crm, tmp_path: Path) -> None:
    loaded.server.fault("status", operation="lead_update", status=404, at=[2])
    report = tmp_path / "report.csv"
    with pytest.raises(RowsRejected, match="404"):
        loaded.update(crm_rows(4, firstName="New"), max_in_flight=1, report=str(report))
    assert outcomes(report) == ["updated", "rejected", "updated", "updated"]
    assert read_report(report)[1]["code"] == "http_404"


@pytest.mark.parametrize("fault", [{"kind": "drop"}, {"kind": "status", "status": 503}, {"kind": "expired"}])
@pytest.mark.parametrize("when", ["before", "after"])
def test_update_without_response_is_sent_again(loaded: Crm, fault: dict[str, Any], when: str) -> None:
    loaded.server.fault(**fault, operation="lead_update", when=when, at=[2])
    client = make_client(loaded.server.url)
    assert counts(loaded.update(crm_rows(4, firstName="New"), client=client)) == (0, 4, 0, 0, 0)
    assert list(field(loaded, "firstName").values()) == ["New"] * 4 + ["Old"] * 2


def test_retry_finds_what_is_left(loaded: Crm) -> None:
    loaded.server.fault("status", operation="lead_update", status=403, at=[3])
    rows = crm_rows(6, firstName="New")
    with pytest.raises(Exception, match="403") as caught:
        loaded.update(rows, max_in_flight=1)
    assert counts(caught.value.result) == (0, 2, 0, 0, 0)  # type: ignore[attr-defined]
    before = len(loaded.patches)
    assert counts(loaded.update(rows)) == (0, 4, 2, 0, 0)
    assert len(loaded.patches) - before == 4


def test_dry_run_changes_nothing(loaded: Crm) -> None:
    result = loaded.update([crm_row(0, firstName="New"), crm_row(1, firstName="Old")], dry_run=True)
    assert (counts(result), result["dry_run"], result["requests"]) == ((0, 0, 1, 0, 0), True, 0)
    assert not loaded.patches


def test_repeated_rows_are_updated_once(loaded: Crm) -> None:
    row = crm_row(0, firstName="New")
    assert counts(loaded.update([row, row])) == (0, 1, 1, 0, 0)
    with pytest.raises(SourceRejected, match="Correct 2 rows of 2"):
        loaded.update([row, crm_row(0, firstName="Newer")])


@pytest.mark.parametrize("row", [{"externId": "K-1"}, {"externId": "K-1", "city": ""}])
def test_row_that_changes_nothing_is_rejected(loaded: Crm, row: dict[str, Any]) -> None:
    with pytest.raises(SourceRejected, match="row 1: externId is the only value of the row"):
        loaded.update([row])


def test_rows_need_no_phone_number(loaded: Crm) -> None:
    assert counts(loaded.update([{"externId": "K-1", "firstName": "New"}])) == (0, 1, 0, 0, 0)


def test_empty_source_is_refused(loaded: Crm) -> None:
    with pytest.raises(SourceRejected, match="it has no rows"):
        loaded.update([])
    assert counts(loaded.update([], allow_empty=True)) == (0, 0, 0, 0, 0)
    with pytest.raises(InvalidParameter, match="was skipped"):
        loaded.update(None)


@pytest.mark.parametrize(
    "options", [{"max_updates": -1}, {"max_in_flight": 0}, {"on_rejected": "skip"}, {"max_rejected": "x"}]
)
def test_invalid_options_are_refused(loaded: Crm, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        loaded.update(crm_rows(1), **options)
