"""Criteria and values shared by tests of selections, coercion and operators."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

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
    ("externIds", ["A\x001"]),
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


def short_id(value):
    """Return a short id of a parametrized value."""
    return value[:30] if isinstance(value, str) else type(value).__name__


def body_of(criteria, **options):
    """Return the request body of criteria that select something."""
    selection = build_selection(criteria, **options)
    assert selection.empty_reason is None
    return selection.body


def empty_reason_of(criteria, **options):
    """Return why criteria select nothing."""
    return build_selection(criteria, **options).empty_reason
