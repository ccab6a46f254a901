"""Fault rules: which requests a fault is injected into."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from reprlib import repr as short_repr
from typing import Any, ClassVar, Protocol

MAX_VALUE = 10**9
"""Largest number that an option of a rule or fault accepts, unless it states another limit."""


class InjectedFault(Protocol):
    """Interface of a fault for its rule: a dataclass whose fields are the options of the fault."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    answers: ClassVar[bool]
    """Whether the fault replaces the response."""


@dataclass
class FaultRule:
    """A rule that injects a fault into matching requests.

    Without ``times``, ``chance``, ``at`` and ``seconds`` it applies to the next matching request only. If
    several rules that replace the response match a request, the one set first applies; the others apply to
    later requests.

    :param kind: name of the fault.
    :param fault: the fault.
    :param operation: name of the operation; ``*`` for any.
    :param where: required values of query or path parameters, by the names used in
        :mod:`airflow_provider_engagevoice.sandbox.api.routes`, such as ``account`` or ``campaign``.
    :param skip: number of matching requests to leave unaffected first.
    :param times: maximum number of requests to affect.
    :param chance: probability for each request, from 0 to 1 (every request).
    :param seed: seed of the random numbers; the same seed gives the same sequence.
    :param at: numbers of the matching requests to affect; the first one after the start is 1.
    :param start: delay in seconds of the sandbox's clock until the rule becomes active.
    :param seconds: how long the rule stays active; None for no limit.
    :param seen: number of matching requests so far.
    :param met: number of requests the fault was injected into so far.
    :raises ValueError: if a number is out of range; the message names the option.
    """

    kind: str
    fault: InjectedFault
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
        """Apply the default of one request, and validate the options."""
        if self.times is None and self.chance is None and self.at is None and self.seconds is None:
            self.times = 1
        check_range("chance", self.chance, 0, 1)
        check_range("skip", self.skip, 0)
        check_range("times", self.times, 1)
        check_range("start", self.start, 0)
        check_range("seconds", self.seconds, 0)
        if self.at is not None and not self.at:
            raise ValueError("at must contain at least one request number")
        for number in self.at or ():
            check_range("at", number, 1)
        self._random = random.Random(self.seed)
        self._active_from = 0.0
        self.number = 0

    def activate(self, now: float) -> None:
        """Set the start time, counted from now."""
        self._active_from = now + self.start

    def count_match(self, operation: str, params: Mapping[str, str], now: float) -> bool:
        """Return whether the rule matches a request, and count the request if it does."""
        if self.is_exhausted(now) or now < self._active_from:
            return False
        if self.operation not in ("*", operation) or any(
            params.get(name) != value for name, value in self.where.items()
        ):
            return False
        self.seen += 1
        return True

    def trigger(self) -> bool:
        """Return whether the fault applies to the request just matched, and count it if it does."""
        if self.seen <= self.skip or (self.at is not None and self.seen not in self.at):
            return False
        if self.chance is not None and self._random.random() >= self.chance:
            return False
        self.met += 1
        return True

    def is_exhausted(self, now: float) -> bool:
        """Return whether the rule can affect no further request."""
        used_up = self.times is not None and self.met >= self.times
        passed = self.at is not None and self.seen >= max(self.at, default=0)
        expired = self.seconds is not None and now >= self._active_from + self.seconds
        return used_up or passed or expired

    def as_dict(self) -> dict[str, Any]:
        """Return the rule as the control API shows it: number, options and ``met``."""
        options = {each.name: getattr(self.fault, each.name) for each in fields(self.fault)}
        options = {
            name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            for name, value in options.items()
            if not callable(value)
        }
        names = (
            "kind", "operation", "where", "skip", "times", "chance", "seed", "at", "start", "seconds", "met",
        )  # fmt: skip
        return {"number": self.number, **{name: getattr(self, name) for name in names}, **options}


def check_range(name: str, value: float | None, least: float, most: float = MAX_VALUE) -> None:
    """Raise if a number is out of range.

    :param name: name of the option, for the message.
    :param value: the number; None is always valid.
    :param least: smallest valid value.
    :param most: largest valid value.
    :raises ValueError: if it is smaller, larger or NaN.
    """
    if value is not None and not least <= value <= most:
        raise ValueError(f"{name} must be between {least:,} and {most:,}, not {short_repr(value)}")


class FaultRules:
    """The active rules of a sandbox, in the order they were set."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[FaultRule] = []
        self._numbers = itertools.count(1)

    def add(self, rule: FaultRule, now: float) -> None:
        """Add a rule and start it."""
        rule.activate(now)
        with self._lock:
            rule.number = next(self._numbers)
            self._rules.append(rule)

    def match(self, operation: str, params: Mapping[str, str], now: float) -> list[FaultRule]:
        """Return the rules that apply to a request; at most the last one replaces the response.

        :param operation: name of the operation.
        :param params: query and path parameters of the request.
        :param now: seconds since 1970 by the sandbox's clock.
        :return: the rules, in the order they were set.
        """
        found: list[FaultRule] = []
        with self._lock:
            self._rules = [rule for rule in self._rules if not rule.is_exhausted(now)]
            for rule in self._rules:
                # Every rule counts the request, so that request number 3 is the same one for all of them.
                if not rule.count_match(operation, params, now) or (found and found[-1].fault.answers):
                    continue
                if rule.trigger():
                    found.append(rule)
        return found

    def clear(self) -> None:
        """Remove all rules."""
        with self._lock:
            self._rules.clear()

    def remove(self, number: int) -> bool:
        """Remove the rule with this number; return whether it existed."""
        with self._lock:
            kept = [rule for rule in self._rules if rule.number != number]
            existed = len(kept) < len(self._rules)
            self._rules = kept
        return existed

    def as_list(self, now: float) -> list[dict[str, Any]]:
        """Return the active rules as dicts."""
        with self._lock:
            return [rule.as_dict() for rule in self._rules if not rule.is_exhausted(now)]
