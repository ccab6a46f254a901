"""Benchmark of searches among 1,000,000 leads over HTTP."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.benchmarks.harness import ACCOUNT_PATH, ApiClient, median_seconds, print_row, run_sandbox


def main() -> None:
    """Print the table."""
    print("Search among 1,000,000 leads: median of 7")
    with run_sandbox("--size", "1000000") as client:
        (campaign, lists) = _first_campaign(client)
        sample = client.search("maxRows=100&page=50", campaignIds=[campaign])
        searches: dict[str, tuple[str, dict[str, Any]]] = {
            "leadIds, one": ("", {"leadIds": [sample[0]["leadId"]]}),
            "leadIds, 100": ("", {"leadIds": [lead["leadId"] for lead in sample]}),
            "externIds, one": ("", {"externIds": [sample[0]["externId"]]}),
            "externIds, 100": ("", {"externIds": [lead["externId"] for lead in sample]}),
            "leadPhoneNumbers, one": ("", {"leadPhoneNumbers": [sample[0]["leadPhone"]]}),
            "listIds, 100 rows": ("maxRows=100", {"listIds": [lists[0]]}),
            "listIds, 100 rows, page 100": ("maxRows=100&page=100", {"listIds": [lists[0]]}),
            "campaignIds, 100 rows": ("maxRows=100", {"campaignIds": [campaign]}),
            "campaignIds, count": ("count=true", {"campaignIds": [campaign]}),
            "campaignIds and leadStates, count": (
                "count=true",
                {"campaignIds": [campaign], "leadStates": ["READY"]},
            ),
        }
        for name, (query, criteria) in searches.items():
            print_row(name, median_seconds(partial(client.search, query, **criteria)), "goal 50 ms")
        unindexed: dict[str, tuple[str, dict[str, Any]]] = {
            "not indexed: leadStates, 100 rows": ("maxRows=100", {"leadStates": ["WHITELIST"]}),
            "not indexed: email, one": ("", {"emailAddress": sample[0]["email"]}),
            "not indexed: whole account, count": ("count=true", {}),
        }
        for name, (query, criteria) in unindexed.items():
            print_row(name, median_seconds(partial(client.search, query, **criteria), 3))
        largest_page = partial(client.search, "maxRows=5000", campaignIds=[campaign])
        print_row("5,000 rows, the maximum per page", median_seconds(largest_page, 3))


def _first_campaign(client: ApiClient) -> tuple[int, list[int]]:
    """Return the ids of the first campaign and its lists."""
    group = client.request("GET", f"{ACCOUNT_PATH}/dialGroups")[0]["dialGroupId"]
    campaign = client.request("GET", f"{ACCOUNT_PATH}/dialGroups/{group}/campaigns")[0]["campaignId"]
    lists = client.request("GET", f"{ACCOUNT_PATH}/dialGroups/{group}/campaigns/{campaign}/lists")
    return campaign, [row["listId"] for row in lists]


if __name__ == "__main__":
    main()
