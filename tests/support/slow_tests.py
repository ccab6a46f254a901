"""Options of pytest that run a part of the tests marked as slow: another one each time, as time allows."""

from __future__ import annotations

import random
import time

import pytest

_started = time.monotonic()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("slow tests")
    group.addoption("--turn", type=int, help="shuffle the tests; the same number gives the same order")
    group.addoption("--time-limit", type=float, help="skip the tests that have not started after SECONDS")


def pytest_report_header(config: pytest.Config) -> str | None:
    turn = config.getoption("--turn")
    return None if turn is None else f"order of the tests: --turn {turn}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    turn = config.getoption("--turn")
    if turn is not None:
        # By name first: all workers of pytest-xdist must have the same order.
        items.sort(key=lambda item: item.nodeid)
        random.Random(turn).shuffle(items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    limit = item.config.getoption("--time-limit")
    if limit is not None and time.monotonic() > _started + limit:
        pytest.skip(f"not started within {limit:g} s")
