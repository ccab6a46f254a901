"""How fast the documented windows let anybody be."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow


def seconds_for(requests: int, windows: Sequence[RateWindow]) -> float:
    """Compute when the last of some requests can be sent, if each is sent as early as the windows allow.

    :param requests: how many.
    :param windows: the windows, which slide.
    :return: seconds after the first one.
    """
    moments: list[float] = []
    for _ in range(requests):
        free = [
            moments[-window.max_requests] + window.period
            for window in windows
            if len(moments) >= window.max_requests
        ]
        moments.append(max([0.0, *moments[-1:], *free]))
    return moments[-1] if moments else 0.0
