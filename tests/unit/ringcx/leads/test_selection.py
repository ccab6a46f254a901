"""Selections: accepted criteria, empty criteria, errors, narrowing and chunks."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, InvalidCriteria
from airflow_provider_engagevoice.ringcx.leads.selection import build_selection
from tests.unit.ringcx.leads.cases import (
    BLANKS,
    IDENTITIES,
    LISTS,
    PURE_FILTERS,
    SINGLES,
    body_of,
    empty_reason_of,
    short_id,
)

# Campaigns and whole criteria


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ({"campaignId": 5}, [5]),
        ({"campaignIds": [5]}, [5]),
        ({"campaignId": 5, "campaignIds": [5]}, [5]),
        ({"campaignId": 5, "campaignIds": [6, 7]}, [5, 6, 7]),
        ({"campaignId": "5", "campaignIds": "[6, 5]"}, [5, 6]),
    ],
)
def test_campaign_id_and_campaign_ids_are_both_sent(written, sent):
    # A lone campaignId is ignored by RingCX, which then selects from every campaign.
    assert body_of(written) == {"campaignId": sent[0], "campaignIds": sent}


def test_empty_campaign_ids_with_campaign_id_is_accepted():
    assert body_of({"campaignId": 5, "campaignIds": [], "leadStates": []}, runtime_keys=()) == {
        "campaignId": 5,
        "campaignIds": [5],
    }


@pytest.mark.parametrize("shape", [str, MappingProxyType, lambda value: str(value).replace("'", '"')])
def test_criteria_may_be_any_mapping_or_its_text(shape):
    criteria = {"leadIds": [1], "leadStates": ["READY"]}
    assert body_of(shape(criteria)) == criteria


# Empty values


@pytest.mark.parametrize("blank", [*BLANKS, [], (), set(), {}, [None], ["", "None"], {}.keys(), iter(())])
@pytest.mark.parametrize("key", LISTS)
def test_runtime_list_that_is_empty_selects_nothing(key, blank):
    assert empty_reason_of({"campaignId": 1, key: blank}, runtime_keys={key}) == f"{key} is empty"


@pytest.mark.parametrize("blank", [None, "", " ", "None", "null", "[]", "{}", "()", "set()", [], {}])
@pytest.mark.parametrize("key", SINGLES)
def test_runtime_value_that_is_empty_selects_nothing(key, blank):
    assert empty_reason_of({"leadIds": [1], key: blank}, runtime_keys={key}) == f"{key} is empty"


@pytest.mark.parametrize("part", ["operator", "value"])
def test_comparison_with_empty_part_selects_nothing(part):
    comparison = {"operator": "EQUALS", "value": 3, part: "None"}
    assert (
        empty_reason_of({"leadIds": [1], "leadPassesCriteria": comparison}) == "leadPassesCriteria is empty"
    )


@pytest.mark.parametrize("blank", [[], (), None, "", "[]"])
@pytest.mark.parametrize("key", IDENTITIES)
def test_authored_empty_ids_select_nothing(key, blank):
    assert empty_reason_of({"campaignIds": [1], key: blank}, runtime_keys=()) == f"{key} is empty"


@pytest.mark.parametrize("empty", [[], (), set()])
@pytest.mark.parametrize("key", PURE_FILTERS)
def test_authored_empty_list_of_filter_means_any(key, empty):
    assert body_of({"campaignIds": [1], key: empty}, runtime_keys=()) == {"campaignId": 1, "campaignIds": [1]}


@pytest.mark.parametrize("blank", [None, "", "None", "[]", {}])
@pytest.mark.parametrize("key", PURE_FILTERS)
def test_authored_blank_filter_that_is_no_list_is_rejected(key, blank):
    # As os.environ.get("STATES") or Variable.get(..., default_var=None) would leave it.
    with pytest.raises(InvalidCriteria, match=f"^{key} "):
        build_selection({"campaignIds": [1], key: blank}, runtime_keys=())


@pytest.mark.parametrize("blank", [None, "", "None", [], {}])
@pytest.mark.parametrize("key", SINGLES)
def test_authored_empty_single_value_is_rejected(key, blank):
    with pytest.raises(InvalidCriteria, match=f"^{key} is empty; leave it out to mean any"):
        build_selection({"leadIds": [1], key: blank}, runtime_keys=())


def test_authored_empty_campaigns_are_rejected():
    with pytest.raises(InvalidCriteria, match="campaignIds is empty"):
        build_selection({"campaignIds": [], "listIds": [7]}, runtime_keys=())


@pytest.mark.parametrize("value", [["A-1", ""], ["A-1", None], "['A-1', '']"])
def test_authored_list_with_blank_entry_is_rejected(value):
    with pytest.raises(InvalidCriteria, match=r"externIds\[1\] is empty"):
        build_selection({"externIds": value}, runtime_keys=())


@pytest.mark.parametrize("whole", [None, "", "None", "{}", {}, "null"])
def test_empty_criteria_select_nothing(whole):
    for account_wide in (False, True):
        assert empty_reason_of(whole, account_wide=account_wide) == "the search criteria are empty"


def test_empty_filter_selects_nothing_by_default():
    assert empty_reason_of({"campaignIds": [1], "leadStates": []}) == "leadStates is empty"


def test_empty_criterion_does_not_hide_a_wrong_one():
    with pytest.raises(InvalidCriteria, match="REDAY"):
        build_selection({"leadIds": [], "leadStates": ["REDAY"]})


# Errors


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("externId", "externIds"),
        ("extern_ids", "externIds"),
        ("leadstates", "leadStates"),
        ("state", ""),
        ("page", ""),
        ("", ""),
        ("email", ""),
    ],
)
def test_unknown_key_is_rejected_with_suggestion(key, hint):
    with pytest.raises(InvalidCriteria) as caught:
        build_selection({"campaignIds": [1], key: ["x"]}, runtime_keys=())
    assert repr(key) in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize("key", [None, 1, 10**6000, ("a",), b"externIds", 1.5], ids=short_id)
def test_key_that_is_not_text_is_rejected(key):
    with pytest.raises(InvalidCriteria, match="must be text"):
        build_selection({"campaignIds": [1], key: ["x"]})


def test_envelope_of_the_guide_is_rejected_by_name():
    with pytest.raises(InvalidCriteria, match="Pass the object inside campaignLeadSearchCriteria"):
        build_selection({"campaignLeadSearchCriteria": {"leadIds": [1]}})


@pytest.mark.parametrize("whole", [[], [{"leadIds": [1]}], 5, "[1]", "leadIds=1", b"{}", object(), "1"])
def test_criteria_that_are_not_a_dict_are_rejected(whole):
    with pytest.raises(InvalidCriteria, match="search_criteria"):
        build_selection(whole)


@pytest.mark.parametrize(
    "criteria",
    [
        {},
        {"leadStates": ["READY"]},
        {"leadStates": [], "firstName": "Ada"},
        {"suppressed": "ALL", "orphanedLeadsOnly": False},
    ],
)
def test_account_wide_criteria_need_account_wide(criteria):
    with pytest.raises(InvalidCriteria, match="account_wide=True"):
        build_selection(criteria, runtime_keys=())
    assert empty_reason_of(criteria, runtime_keys=(), account_wide=True) is None


@pytest.mark.parametrize(
    "key", ["externIds", "leadPhoneNumbers", "leadStates", "firstName", "zip", "loadedDtsStart"]
)
@pytest.mark.parametrize(
    "secret", ["Grünwald-Quast", "+15550042424", ["Grünwald-Quast"], {"Grünwald-Quast": 1}]
)
def test_errors_and_descriptions_contain_no_lead_data(key, secret):
    try:
        selection = build_selection({"leadIds": [1], key: secret})
    except EngageVoiceError as error:
        assert "Quast" not in str(error)
        assert "0042424" not in str(error)
    else:
        assert "Quast" not in repr(selection) + selection.describe()
        assert "0042424" not in repr(selection) + selection.describe()


def test_error_does_not_show_unknown_runtime_key():
    with pytest.raises(InvalidCriteria) as caught:
        build_selection({"+15550042424": "Grünwald-Quast"})
    assert "0042424" not in str(caught.value)


def test_describe_shows_counts_and_filter_names():
    selection = build_selection(
        {"campaignId": 5, "externIds": ["A-1", "B-2"], "leadStates": ["READY"], "firstName": "Ada"}
    )
    assert selection.describe() == "campaigns [5], 2 externIds, leadStates READY, firstName"
    assert "Ada" not in repr(selection)


# Narrowing and chunks


def test_narrow_to_campaign_keeps_other_criteria():
    narrowed = build_selection({"campaignIds": [5, 6], "leadStates": ["READY"]}).narrow_to_campaign(6)
    assert narrowed.body == {"campaignId": 6, "campaignIds": [6], "leadStates": ["READY"]}


def test_narrow_to_campaign_adds_missing_campaign():
    assert build_selection({"leadIds": [1]}).narrow_to_campaign(6).body == {
        "campaignId": 6,
        "campaignIds": [6],
        "leadIds": [1],
    }


def test_narrow_to_campaign_rejects_another_campaign():
    with pytest.raises(InvalidCriteria, match="not from campaign 7"):
        build_selection({"campaignIds": [5, 6]}).narrow_to_campaign(7)


def test_narrow_to_campaign_keeps_empty_selection():
    assert build_selection({"leadIds": []}).narrow_to_campaign(7).empty_reason


def test_chunks_split_longest_list_and_repeat_the_rest():
    selection = build_selection({"campaignIds": [5], "leadIds": [1, 2, 3, 4, 5], "leadStates": ["READY"]})
    parts = [part.body for part in selection.chunks(2)]
    assert [part.pop("leadIds") for part in parts] == [[1, 2], [3, 4], [5]]
    assert parts == [{"campaignId": 5, "campaignIds": [5], "leadStates": ["READY"]}] * 3


def test_chunks_of_short_list_is_the_selection():
    selection = build_selection({"leadIds": [1, 2]})
    assert [part.body for part in selection.chunks(2)] == [selection.body]
