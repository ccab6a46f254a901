"""Which requests meet which fault: rules, and the list of those in force."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_engagevoice.sandbox.fault_kinds import Fault


@dataclass
class Rule:
    """Which requests meet a fault. Without any of ``times``, ``chance``, ``at``, ``seconds``: the next one.

    :param kind: name of the fault.
    :param fault: what they meet.
    :param operation: name of the operation they ask for; ``*`` for any.
    :param where: what their query must hold.
    :param times: how many of them at the most.
    :param chance: how probable it is for each of them, from 0 to 1.
    :param seed: the same seed gives the same chances.
    :param at: which of them by number, counted from 1 when the rule is set.
    :param start: seconds from now on when the rule begins to count, by the sandbox's clock.
    :param seconds: for how long it does.
    """

    kind: str
    fault: Fault
    operation: str = "*"
    where: dict[str, str] = field(default_factory=dict)
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
        if self.chance is not None and not 0 <= self.chance <= 1:
            raise ValueError(f"chance must lie between 0 and 1, not {self.chance!r}")
        if any(isinstance(number, bool) or not isinstance(number, int) for number in self.at or ()):
            raise ValueError(f"at must be a list of whole numbers, not {self.at!r}")
        self._random = random.Random(self.seed)
        self._begin = 0.0

    def begin(self, now: float) -> None:
        """Count from this moment on."""
        self._begin = now + self.start

    def takes(self, operation: str, query: Mapping[str, str], now: float) -> bool:
        """Tell whether a request meets the fault, and count it."""
        if self.is_over(now) or now < self._begin:
            return False
        if self.operation not in ("*", operation) or any(
            query.get(name) != value for name, value in self.where.items()
        ):
            return False
        self.seen += 1
        if self.at is not None and self.seen not in self.at:
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
        """Write it the way it was asked for, with how many requests met it."""
        options = {each.name: getattr(self.fault, each.name) for each in fields(self.fault)}
        options = {name: value for name, value in options.items() if not callable(value)}
        shown = ("kind", "operation", "where", "times", "chance", "at", "start", "seconds", "met")
        return {**{name: getattr(self, name) for name in shown}, **options}


class Rules:
    """All rules of a sandbox, in the order they were set."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []

    def add(self, rule: Rule, now: float) -> None:
        """Set a rule from now on."""
        rule.begin(now)
        with self._lock:
            self._rules.append(rule)

    def of(self, operation: str, query: Mapping[str, str], now: float) -> list[Rule]:
        """Return the rules that a request meets: one that answers by itself is the last."""
        found = []
        with self._lock:
            self._rules = [rule for rule in self._rules if not rule.is_over(now)]
            for rule in self._rules:
                if rule.takes(operation, query, now):
                    found.append(rule)
                    if rule.fault.answers:
                        break
        return found

    def forget(self) -> None:
        """Set no rule any more."""
        with self._lock:
            self._rules.clear()

    def as_list(self, now: float) -> list[dict[str, Any]]:
        """Write the rules that are still in force."""
        with self._lock:
            return [rule.as_dict() for rule in self._rules if not rule.is_over(now)]
