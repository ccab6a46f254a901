"""Searches among 1,000,000 leads, over HTTP."""

from __future__ import annotations

from table import ROOT, Caller, median_of, sandbox, show


def main() -> None:
    """Print the table."""
    print("Search among 1,000,000 leads: median of 7")
    with sandbox("--size", "1000000") as caller:
        (campaign, lists) = _campaign(caller)
        some = caller.search("maxRows=100&page=50", campaignIds=[campaign])
        searches = {
            "leadIds, one": ("", {"leadIds": [some[0]["leadId"]]}),
            "leadIds, 100": ("", {"leadIds": [lead["leadId"] for lead in some]}),
            "externIds, one": ("", {"externIds": [some[0]["externId"]]}),
            "externIds, 100": ("", {"externIds": [lead["externId"] for lead in some]}),
            "leadPhoneNumbers, one": ("", {"leadPhoneNumbers": [some[0]["leadPhone"]]}),
            "listIds, 100 rows": ("maxRows=100", {"listIds": [lists[0]]}),
            "listIds, 100 rows, page 100": ("maxRows=100&page=100", {"listIds": [lists[0]]}),
            "campaignIds, 100 rows": ("maxRows=100", {"campaignIds": [campaign]}),
            "campaignIds, count": ("count=true", {"campaignIds": [campaign]}),
            "campaignIds and leadStates, count": (
                "count=true",
                {"campaignIds": [campaign], "leadStates": ["READY"]},
            ),
        }
        for what, (query, criteria) in searches.items():
            show(what, median_of(lambda q=query, c=criteria: caller.search(q, **c)), "goal 50 ms")
        unindexed = {
            "not indexed: leadStates, 100 rows": ("maxRows=100", {"leadStates": ["WHITELIST"]}),
            "not indexed: email, one": ("", {"emailAddress": some[0]["email"]}),
            "not indexed: whole account, count": ("count=true", {}),
        }
        for what, (query, criteria) in unindexed.items():
            show(what, median_of(lambda q=query, c=criteria: caller.search(q, **c), 3))
        rows = {"campaignIds": [campaign]}
        show("5,000 rows, the most at once", median_of(lambda: caller.search("maxRows=5000", **rows), 3))


def _campaign(caller: Caller) -> tuple[int, list[int]]:
    """Return the first campaign and its lists."""
    group = caller.ask("GET", f"{ROOT}/dialGroups")[0]["dialGroupId"]
    campaign = caller.ask("GET", f"{ROOT}/dialGroups/{group}/campaigns")[0]["campaignId"]
    lists = caller.ask("GET", f"{ROOT}/dialGroups/{group}/campaigns/{campaign}/lists")
    return campaign, [row["listId"] for row in lists]


if __name__ == "__main__":
    main()
