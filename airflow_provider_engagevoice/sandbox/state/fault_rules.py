"""Which requests meet which fault: rules, and the list of those in force."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from reprlib import repr as shown
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_engagevoice.sandbox.faults.base import Fault

MOST = 10**9
"""The largest number a rule or a fault works with, unless it says another one."""


@dataclass
class Rule:
    """Which requests meet a fault. Without any of ``times``, ``chance``, ``at``, ``seconds``: the next one.

    Of several rules that would answer a request, the one set first does; the others wait for the next one.

    :param kind: name of the fault.
    :param fault: what they meet.
    :param operation: name of the operation they ask for; ``*`` for any.
    :param where: what their query must hold, or the variable parts of their path, by the names that
        :mod:`airflow_provider_engagevoice.sandbox.api.routes` gives these: ``account``, ``campaign``.
    :param skip: how many of them pass first.
    :param times: how many of them at the most.
    :param chance: how probable it is for each of them, from 0 to 1, which is every one.
    :param seed: the same seed gives the same chances.
    :param at: which of them by number; the first one since the rule began to count is 1.
    :param start: seconds from now on when the rule begins to count, by the sandbox's clock.
    :param seconds: for how long it does.
    :raises ValueError: a number is out of its range; the message names it.
    """

    kind: str
    fault: Fault
    operation: str = "*"
    where: dict[str, str] = field(default_factory=dict)
    skip: int = 0
    times: int | None = None
    chance: float | None = None
    seed: int = 1
    at: list[int] | None = None
    start: float = 0.0
    seconds: float | None = None
    seen: int = 0
    met: int = 0

    def __post_init__(self) -> None:
        """Take one request where nothing says how many, and refuse what makes no sense."""
        if self.times is None and self.chance is None and self.at is None and self.seconds is None:
            self.times = 1
        check_range("chance", self.chance, 0, 1)
        check_range("skip", self.skip, 0)
        check_range("times", self.times, 1)
        check_range("start", self.start, 0)
        check_range("seconds", self.seconds, 0)
        if self.at is not None and not self.at:
            raise ValueError("at must name one request at least")
        for number in self.at or ():
            check_range("at", number, 1)
        self._random = random.Random(self.seed)
        self._begin = 0.0
        self.number = 0

    def begin(self, now: float) -> None:
        """Count from this moment on."""
        self._begin = now + self.start

    def sees(self, operation: str, asked: Mapping[str, str], now: float) -> bool:
        """Tell whether a request is one of those the rule is about, and count it."""
        if self.is_over(now) or now < self._begin:
            return False
        if self.operation not in ("*", operation) or any(
            asked.get(name) != value for name, value in self.where.items()
        ):
            return False
        self.seen += 1
        return True

    def takes(self) -> bool:
        """Tell whether the request just seen meets the fault, and count it."""
        if self.seen <= self.skip or (self.at is not None and self.seen not in self.at):
            return False
        if self.chance is not None and self._random.random() >= self.chance:
            return False
        self.met += 1
        return True

    def is_over(self, now: float) -> bool:
        """Tell whether no request can meet the fault any more."""
        spent = self.times is not None and self.met >= self.times
        past = self.at is not None and self.seen >= max(self.at, default=0)
        late = self.seconds is not None and now >= self._begin + self.seconds
        return spent or past or late

    def as_dict(self) -> dict[str, Any]:
        """Write it the way it was asked for, as JSON can hold it, with how many requests met it."""
        options = {each.name: getattr(self.fault, each.name) for each in fields(self.fault)}
        options = {
            name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            for name, value in options.items()
            if not callable(value)
        }
        shown = (
            "kind", "operation", "where", "skip", "times", "chance", "seed", "at", "start", "seconds", "met",
        )  # fmt: skip
        return {"number": self.number, **{name: getattr(self, name) for name in shown}, **options}


def check_range(name: str, value: float | None, least: float, most: float = MOST) -> None:
    """Refuse a number out of its range.

    :param name: what it is called.
    :param value: the number; None is in every range.
    :param least: the smallest that will do.
    :param most: the largest that will do.
    :raises ValueError: it is smaller, larger or not a number; the message names it.
    """
    if value is not None and not least <= value <= most:
        raise ValueError(f"{name} must be between {least:,} and {most:,}, not {shown(value)}")


class Rules:
    """All rules of a sandbox, in the order they were set."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._numbers = itertools.count(1)

    def add(self, rule: Rule, now: float) -> None:
        """Set a rule from now on."""
        rule.begin(now)
        with self._lock:
            rule.number = next(self._numbers)
            self._rules.append(rule)

    def of(self, operation: str, asked: Mapping[str, str], now: float) -> list[Rule]:
        """Return the rules that a request meets: one that answers by itself is the last.

        :param operation: name of the operation it asks for.
        :param asked: its query, and the variable parts of its path.
        :param now: seconds since 1970 by the sandbox's clock.
        :return: the rules, in the order they were set.
        """
        found: list[Rule] = []
        with self._lock:
            self._rules = [rule for rule in self._rules if not rule.is_over(now)]
            for rule in self._rules:
                # All count the request, so that "the third" is the third for each of them.
                if not rule.sees(operation, asked, now) or (found and found[-1].fault.answers):
                    continue
                if rule.takes():
                    found.append(rule)
        return found

    def forget(self) -> None:
        """Set no rule any more."""
        with self._lock:
            self._rules.clear()

    def drop(self, number: int) -> bool:
        """Set the rule of this number no more; tell whether there was one."""
        with self._lock:
            kept = [rule for rule in self._rules if rule.number != number]
            found = len(kept) < len(self._rules)
            self._rules = kept
        return found

    def as_list(self, now: float) -> list[dict[str, Any]]:
        """Write the rules that are still in force."""
        with self._lock:
            return [rule.as_dict() for rule in self._rules if not rule.is_over(now)]
