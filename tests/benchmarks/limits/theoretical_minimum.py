"""Minimum duration of a number of requests under the documented rate limits."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow


def minimum_seconds(requests: int, windows: Sequence[RateWindow]) -> float:
    """Return the earliest time of the last request if each is sent as early as the windows allow.

    :param requests: number of requests.
    :param windows: sliding windows that all apply.
    :return: seconds after the first request.
    """
    slots: list[float] = []
    for _ in range(requests):
        free = [
            slots[-window.max_requests] + window.period
            for window in windows
            if len(slots) >= window.max_requests
        ]
        slots.append(max([0.0, *slots[-1:], *free]))
    return slots[-1] if slots else 0.0
