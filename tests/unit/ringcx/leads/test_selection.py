"""Which leads a selection names: what is taken, what is refused, and what selects nothing."""

from __future__ import annotations

from collections import deque
from datetime import date, datetime, timedelta, timezone
from types import MappingProxyType

import pytest

from airflow_provider_engagevoice.ringcx.criteria import ALL_KEYS, LeadSearchCriteria
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, InvalidCriteria
from airflow_provider_engagevoice.ringcx.leads.selection import build_selection

LISTS = {
    "campaignIds": [101],
    "listIds": [7],
    "leadIds": [1, 2],
    "externIds": ["A-1"],
    "leadPhoneNumbers": ["+15551234567"],
    "leadStates": ["READY"],
    "systemDispositions": ["BUSY"],
    "agentDispositions": ["Sold"],
    "physicalStates": ["TX"],
    "leadTimezones": [{"name": "CST"}],
}
SINGLES = {
    "campaignId": 101,
    "callerId": "5551230000",
    "leadPhoneNum": "555-12",
    "firstName": "Ada",
    "pendingAgentId": 9,
    "orphanedLeadsOnly": True,
    "suppressed": "ONLY_SUPPRESSED",
    "loadedDtsStart": "2026-07-01T00:00:00.000+0000",
    "nextDialTimeCriteria": {"operator": "LESS_THAN", "value": "2026-07-01T00:00:00.000+0000"},
    "leadPassesCriteria": {"operator": "EQUALS", "value": 3},
}
IDENTITIES = ("leadIds", "externIds", "leadPhoneNumbers")
PURE_FILTERS = (
    "listIds",
    "leadStates",
    "systemDispositions",
    "agentDispositions",
    "physicalStates",
    "leadTimezones",
)
BLANKS = [
    None,
    "",
    "  ",
    "None",
    "null",
    '""',
    "''",
    "[]",
    "[ ]",
    "{}",
    "()",
    "set()",
    "[None]",
    "['']",
    '[""]',
    "[[]]",
]


def shown(value):
    return value[:30] if isinstance(value, str) else type(value).__name__


def body(criteria, **options):
    selection = build_selection(criteria, **options)
    assert selection.empty_reason is None
    return selection.body


# What is taken, and in which shape it is sent


@pytest.mark.parametrize("key", sorted(LISTS.keys() - {"campaignIds"}))
def test_a_list_is_sent_as_written(key):
    assert body({key: LISTS[key]}, account_wide=True) == {key: LISTS[key]}


@pytest.mark.parametrize("key", sorted(SINGLES.keys() - {"campaignId"}))
def test_a_single_value_is_sent_as_written(key):
    assert body({key: SINGLES[key]}, account_wide=True) == {key: SINGLES[key]}


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
def test_campaign_id_is_one_more_campaign_and_both_spellings_are_sent(written, sent):
    # A lone campaignId is ignored by RingCX, which then selects from every campaign.
    assert body(written) == {"campaignId": sent[0], "campaignIds": sent}


def test_the_guides_body_with_an_empty_campaign_ids_beside_campaign_id_works():
    assert body({"campaignId": 5, "campaignIds": [], "leadStates": []}, runtime_keys=()) == {
        "campaignId": 5,
        "campaignIds": [5],
    }


@pytest.mark.parametrize(
    "value",
    [
        ["A-1", "B-2"],
        ("A-1", "B-2"),
        deque(["A-1", "B-2"]),
        {"A-1": 1, "B-2": 2}.keys(),
        {1: "A-1", 2: "B-2"}.values(),
        (text for text in ("A-1", "B-2")),
        map(str, ("A-1", "B-2")),
        "['A-1', 'B-2']",
        "('A-1', 'B-2')",
        '["A-1", "B-2"]',
        '\n ["A-1",\t"B-2"] ',
        ["A-1", None, "", "B-2", "A-1", [], "None"],
    ],
)
def test_a_list_is_read_in_whatever_shape_it_comes(value):
    assert body({"externIds": value}) == {"externIds": ["A-1", "B-2"]}


@pytest.mark.parametrize("value", [{"A-1", "B-2"}, frozenset(("A-1", "B-2")), "{'A-1', 'B-2'}"])
def test_a_set_is_read_as_a_list(value):
    assert body({"externIds": value})["externIds"] == ["A-1", "B-2"]


@pytest.mark.parametrize("value", [[7, 8], ["7", "8"], "[7, 8]", "['7', '8']", [7, "007", " 8 "]])
def test_ids_are_numbers_however_spelt(value):
    assert body({"leadIds": value}) == {"leadIds": [7, 8]}


@pytest.mark.parametrize("text", ["0012345", "+15551234567", "1e5", "0x1F", "True", "1_000", "nan", "-5"])
def test_an_external_id_keeps_its_spelling(text):
    for value in ([text], str([text]), f'["{text}"]'):
        assert body({"externIds": value}) == {"externIds": [text]}


def test_whole_numbers_are_taken_as_external_ids():
    assert body({"externIds": [12345, -1]}) == {"externIds": ["12345", "-1"]}


@pytest.mark.parametrize(
    "text",
    ["[1_000]", "[0x1F]", "[0o17]", "[0B11]", "[+5]", "['A' 'B']", "['1'\n '2']", "['A' u'B']", "['A''B']"],
)
def test_text_that_python_reads_as_another_id_is_refused(text):
    # [1_000] would select lead 1000; an array printed without commas, ['1' '2'], lead 12.
    with pytest.raises(InvalidCriteria, match="neither JSON nor a Python literal"):
        build_selection({"externIds": text})


@pytest.mark.parametrize(
    ("state", "sent"),
    [("ready", "READY"), ("DO_NOT_CALL", "DO-NOT-CALL"), ("Max-Dial_Limit", "MAX-DIAL-LIMIT")],
)
def test_states_are_taken_in_every_spelling_of_the_guides(state, sent):
    assert body({"campaignIds": [1], "leadStates": [state]})["leadStates"] == [sent]


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 7, 24, 16, tzinfo=timezone.utc),
        datetime(2026, 7, 24, 16),
        datetime(2026, 7, 24, 18, tzinfo=timezone(timedelta(hours=2))),
        "2026-07-24T16:00:00Z",
        "2026-07-24T16:00:00.000+0000",
        "2026-07-24 16:00",
        " 2026-07-24T18:00:00.000+0200 ",
    ],
)
def test_moments_are_sent_in_ringcxs_notation(moment):
    assert (
        body({"leadIds": [1], "loadedDtsStart": moment})["loadedDtsStart"] == "2026-07-24T16:00:00.000+0000"
    )


def test_a_day_is_its_first_moment():
    assert body({"leadIds": [1], "loadedDtsEnd": date(2026, 7, 24)})["loadedDtsEnd"].startswith(
        "2026-07-24T00:00"
    )


def test_comparisons_may_come_as_text():
    written = {"leadIds": [1], "leadPassesCriteria": "{'operator': 'equals', 'value': '3'}"}
    assert body(written)["leadPassesCriteria"] == {"operator": "EQUALS", "value": 3}


def test_a_dataclass_is_the_dict_it_stands_for():
    criteria = LeadSearchCriteria(campaign_ids=[5], extern_ids=["A"], lead_timezones=["CST"])
    assert criteria == {"campaignIds": [5], "externIds": ["A"], "leadTimezones": ["CST"]}
    assert body(criteria, runtime_keys=())["leadTimezones"] == [{"name": "CST"}]


def test_a_field_of_the_dataclass_set_later_counts_and_none_is_not_left_out():
    criteria = LeadSearchCriteria(campaign_ids=[5])
    criteria.extern_ids = None
    assert build_selection(criteria, runtime_keys=()).empty_reason == "externIds is empty"


def test_the_dataclass_knows_no_other_field():
    with pytest.raises(TypeError):
        LeadSearchCriteria(externIds=["A"])


@pytest.mark.parametrize("shape", [str, MappingProxyType, lambda value: str(value).replace("'", '"')])
def test_the_whole_criteria_may_be_another_mapping_or_its_text(shape):
    assert body(shape({"leadIds": [1], "leadStates": ["READY"]})) == {"leadIds": [1], "leadStates": ["READY"]}


# What is empty


@pytest.mark.parametrize("blank", [*BLANKS, [], (), set(), {}, [None], ["", "None"], {}.keys(), iter(())])
@pytest.mark.parametrize("key", LISTS)
def test_a_list_that_data_left_empty_selects_nothing(key, blank):
    assert build_selection({"campaignId": 1, key: blank}, runtime_keys={key}).empty_reason == f"{key} is empty"


@pytest.mark.parametrize("blank", [None, "", " ", "None", "null", "[]", "{}", "()", "set()", [], {}])
@pytest.mark.parametrize("key", SINGLES)
def test_a_single_value_that_data_left_empty_selects_nothing(key, blank):
    assert build_selection({"leadIds": [1], key: blank}, runtime_keys={key}).empty_reason == f"{key} is empty"


@pytest.mark.parametrize("part", ["operator", "value"])
def test_a_comparison_of_which_data_left_a_part_empty_selects_nothing(part):
    comparison = {"operator": "EQUALS", "value": 3, part: "None"}
    assert build_selection({"leadIds": [1], "leadPassesCriteria": comparison}).empty_reason == "leadPassesCriteria is empty"


@pytest.mark.parametrize("blank", [[], (), None, "", "[]"])
@pytest.mark.parametrize("key", IDENTITIES)
def test_leads_named_by_hand_as_none_at_all_are_no_leads(key, blank):
    assert build_selection({"campaignIds": [1], key: blank}, runtime_keys=()).empty_reason == f"{key} is empty"


@pytest.mark.parametrize("empty", [[], (), set()])
@pytest.mark.parametrize("key", PURE_FILTERS)
def test_an_empty_list_by_hand_means_any_for_a_filter(key, empty):
    assert body({"campaignIds": [1], key: empty}, runtime_keys=()) == {"campaignId": 1, "campaignIds": [1]}


@pytest.mark.parametrize("blank", [None, "", "None", "[]", {}])
@pytest.mark.parametrize("key", PURE_FILTERS)
def test_nothing_but_an_empty_list_means_any(key, blank):
    # As os.environ.get("STATES") or Variable.get(..., default_var=None) would leave it.
    with pytest.raises(InvalidCriteria, match=f"^{key} "):
        build_selection({"campaignIds": [1], key: blank}, runtime_keys=())


@pytest.mark.parametrize("blank", [None, "", "None", [], {}])
@pytest.mark.parametrize("key", SINGLES)
def test_a_single_value_by_hand_may_not_be_empty(key, blank):
    with pytest.raises(InvalidCriteria, match=f"^{key} is empty; leave it out to mean any"):
        build_selection({"leadIds": [1], key: blank}, runtime_keys=())


def test_no_campaign_at_all_by_hand_is_refused():
    with pytest.raises(InvalidCriteria, match="campaignIds is empty"):
        build_selection({"campaignIds": [], "listIds": [7]}, runtime_keys=())


@pytest.mark.parametrize("value", [["A-1", ""], ["A-1", None], "['A-1', '']"])
def test_a_gap_in_a_list_by_hand_is_refused(value):
    with pytest.raises(InvalidCriteria, match=r"externIds\[1\] is empty"):
        build_selection({"externIds": value}, runtime_keys=())


@pytest.mark.parametrize("whole", [None, "", "None", "{}", {}, "null"])
def test_criteria_that_are_empty_as_a_whole_select_nothing(whole):
    for account_wide in (False, True):
        assert build_selection(whole, account_wide=account_wide).empty_reason == "the search criteria are empty"


def test_a_program_that_hands_over_an_empty_list_selects_nothing():
    assert build_selection({"campaignIds": [1], "leadStates": []}).empty_reason == "leadStates is empty"


def test_an_empty_criterion_does_not_hide_a_wrong_one():
    with pytest.raises(InvalidCriteria, match="REDAY"):
        build_selection({"leadIds": [], "leadStates": ["REDAY"]})


# What is refused


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
def test_an_unknown_key_is_named_and_the_nearest_one_too(key, hint):
    with pytest.raises(InvalidCriteria) as caught:
        build_selection({"campaignIds": [1], key: ["x"]}, runtime_keys=())
    assert repr(key) in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize("key", [None, 1, 10**6000, ("a",), b"externIds", 1.5], ids=shown)
def test_a_key_that_is_no_text_is_refused(key):
    with pytest.raises(InvalidCriteria, match="must be text"):
        build_selection({"campaignIds": [1], key: ["x"]})


def test_the_envelope_of_the_guide_is_named_when_it_is_passed_whole():
    with pytest.raises(InvalidCriteria, match="Pass the object inside campaignLeadSearchCriteria"):
        build_selection({"campaignLeadSearchCriteria": {"leadIds": [1]}})


WRONG = [
    ("leadIds", 5),
    ("leadIds", "5"),
    ("leadIds", {"5": 5}),
    ("leadIds", b"5"),
    ("leadIds", [True]),
    ("leadIds", [0]),
    ("leadIds", [-1]),
    ("leadIds", [1.0]),
    ("leadIds", ["1.0"]),
    ("leadIds", ["1_000"]),
    ("leadIds", ["٣"]),
    ("leadIds", [2**63]),
    ("leadIds", [float("nan")]),
    ("leadIds", [[1]]),
    ("leadIds", "LazySelectSequence([2 items])"),
    ("externIds", "A-1"),
    ("externIds", "A-1,B-2"),
    ("externIds", "<generator object>"),
    ("externIds", [True]),
    ("externIds", [1.5]),
    ("externIds", [["A-1"]]),
    ("externIds", ["['A-1']"]),
    ("externIds", ["*"]),
    ("externIds", ["%"]),
    ("externIds", ["\x00"]),
    ("externIds", [10**6000]),
    ("externIds", [object()]),
    ("externIds", object()),
    ("leadPhoneNumbers", ["555"]),
    ("leadPhoneNumbers", ["no number"]),
    ("leadPhoneNumbers", ["٥٥٥١٢٣٤٥٦٧"]),
    ("leadPhoneNum", "none"),
    ("leadPhoneNum", "()-+"),
    ("leadPhoneNum", "٣"),
    ("leadStates", "READY"),
    ("leadStates", ["REDAY"]),
    ("leadStates", ["READY,PAUSED"]),
    ("leadStates", [1]),
    ("systemDispositions", ["Sold"]),
    ("leadTimezones", {"name": "CST"}),
    ("leadTimezones", [{"name": ""}]),
    ("leadTimezones", [{"zone": "CST"}]),
    ("leadTimezones", [{"name": "CST", "id": 1}]),
    ("leadTimezones", [5]),
    ("campaignId", [101]),
    ("campaignId", "Spring Renewals"),
    ("campaignId", True),
    ("firstName", ["Ada"]),
    ("firstName", "['Ada']"),
    ("firstName", True),
    ("firstName", "%"),
    ("pendingAgentId", "0"),
    ("orphanedLeadsOnly", "yes"),
    ("orphanedLeadsOnly", 1),
    ("suppressed", "NONE"),
    ("suppressed", True),
    ("loadedDtsStart", "T"),
    ("loadedDtsStart", "yesterday"),
    ("loadedDtsStart", 1753372800),
    ("loadedDtsStart", datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))),
    ("leadPassesCriteria", 3),
    ("leadPassesCriteria", {"operator": "EQUALS"}),
    ("leadPassesCriteria", {"operator": "AT_LEAST", "value": 3}),
    ("leadPassesCriteria", {"operator": "EQUALS", "value": -1}),
    ("leadPassesCriteria", {"operator": "EQUALS", "value": 3, "x": 1}),
    ("nextDialTimeCriteria", {"operator": "LESS_THAN", "value": 3}),
]


@pytest.mark.parametrize(("key", "value"), WRONG, ids=shown)
@pytest.mark.parametrize("data", [(), ALL_KEYS], ids=["by hand", "data"])
def test_what_is_no_value_of_a_criterion_is_refused(key, value, data):
    with pytest.raises(InvalidCriteria, match=f"^{key}"):
        build_selection({"externIds": ["A-1"], key: value}, runtime_keys=data)


@pytest.mark.parametrize("whole", [[], [{"leadIds": [1]}], 5, "[1]", "leadIds=1", b"{}", object(), "1"])
def test_criteria_that_are_no_dict_are_refused(whole):
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
def test_criteria_that_touch_the_whole_sub_account_must_say_so(criteria):
    with pytest.raises(InvalidCriteria, match="account_wide=True"):
        build_selection(criteria, runtime_keys=())
    assert build_selection(criteria, runtime_keys=(), account_wide=True).empty_reason is None


# Errors and texts about a selection


@pytest.mark.parametrize(
    "key", ["externIds", "leadPhoneNumbers", "leadStates", "firstName", "zip", "loadedDtsStart"]
)
@pytest.mark.parametrize(
    "secret", ["Grünwald-Quast", "+15550042424", ["Grünwald-Quast"], {"Grünwald-Quast": 1}]
)
def test_no_error_repeats_a_leads_data(key, secret):
    try:
        selection = build_selection({"leadIds": [1], key: secret})
    except EngageVoiceError as error:
        assert "Quast" not in str(error)
        assert "0042424" not in str(error)
    else:
        assert "Quast" not in repr(selection) + selection.describe()
        assert "0042424" not in repr(selection) + selection.describe()


def test_no_error_repeats_a_key_that_came_with_data():
    with pytest.raises(InvalidCriteria) as caught:
        build_selection({"+15550042424": "Grünwald-Quast"})
    assert "0042424" not in str(caught.value)


def test_a_selection_describes_itself_by_counts():
    selection = build_selection(
        {"campaignId": 5, "externIds": ["A-1", "B-2"], "leadStates": ["READY"], "firstName": "Ada"}
    )
    assert selection.describe() == "campaigns [5], 2 externIds, leadStates READY, firstName"
    assert "Ada" not in repr(selection)


# Narrowing and cutting


def test_narrowing_to_a_campaign_of_the_selection():
    narrowed = build_selection({"campaignIds": [5, 6], "leadStates": ["READY"]}).narrow_to_campaign(6)
    assert narrowed.body == {"campaignId": 6, "campaignIds": [6], "leadStates": ["READY"]}


def test_narrowing_to_a_campaign_where_none_was_named():
    assert build_selection({"leadIds": [1]}).narrow_to_campaign(6).body == {
        "campaignId": 6,
        "campaignIds": [6],
        "leadIds": [1],
    }


def test_narrowing_to_another_campaign_is_refused():
    with pytest.raises(InvalidCriteria, match="not from campaign 7"):
        build_selection({"campaignIds": [5, 6]}).narrow_to_campaign(7)


def test_nothing_stays_nothing_when_narrowed():
    assert build_selection({"leadIds": []}).narrow_to_campaign(7).empty_reason


def test_a_long_list_is_cut_and_every_other_criterion_is_in_every_part():
    selection = build_selection({"campaignIds": [5], "leadIds": [1, 2, 3, 4, 5], "leadStates": ["READY"]})
    parts = [part.body for part in selection.chunks(2)]
    assert [part.pop("leadIds") for part in parts] == [[1, 2], [3, 4], [5]]
    assert parts == [{"campaignId": 5, "campaignIds": [5], "leadStates": ["READY"]}] * 3


def test_a_short_list_is_not_cut():
    selection = build_selection({"leadIds": [1, 2]})
    assert [part.body for part in selection.chunks(2)] == [selection.body]
