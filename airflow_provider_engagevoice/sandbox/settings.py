"""Settings of a sandbox, for the command line, the environment and tests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from typing import Any

VARIABLE_PREFIX = "ENGAGEVOICE_SANDBOX_"

_BOOLEANS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def _setting(
    default: Any, description: str, *, least: float = 0, most: float = 10**9, choices: tuple[str, ...] = ()
) -> Any:
    """Return a dataclass field with the description and valid values of a setting."""
    metadata = {"help": description, "least": least, "most": most, "choices": choices}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Settings of a sandbox; the description of each is printed by ``--help``.

    The defaults follow the known behaviour of RingCX; see
    :mod:`airflow_provider_engagevoice.sandbox.fidelity`.

    :raises ValueError: if a value is invalid; the message names the setting.
    """

    seed: int = _setting(
        1,
        "random seed of the generated data; the same seed and size give the same data",
        least=-(10**18),
        most=10**18,
    )
    size: int = _setting(10_000, "number of leads to generate", most=10_000_000)
    limits: str = _setting(
        "documented", "rate limits: the documented ones, or none", choices=("documented", "off")
    )
    latency: float = _setting(
        0.0, "seconds added to every response time, half of them before RingCX handles the request", most=60
    )
    latency_jitter: float = _setting(
        0.0, "share of the latency by which it varies at random, such as 0.1", most=1
    )
    page_base: int = _setting(0, "number of the first page of a search", most=1)
    row_cap: int = _setting(5000, "maximum number of rows of a search", least=1)
    id_cap: int = _setting(
        0, "maximum number of ids in a list of criteria, more are rejected with 400; 0 for no maximum"
    )
    strict_criteria: bool = _setting(False, "criteria without a filter are rejected with 400")
    honour_campaign_id: bool = _setting(False, "campaignId narrows a search that has campaignIds as well")
    text_match: str = _setting(
        "whole",
        "whether text filters such as lastName match the whole value or a part of it",
        choices=("whole", "part"),
    )
    strict_params: bool = _setting(
        False, "a missing or invalid action parameter is rejected with 400 instead of a failure with 200"
    )
    strict_reservation: bool = _setting(False, "AGENT_RESERVATION requires CALLBACK_DTS as well")
    dialer_holds: int = _setting(
        0,
        "number of READY leads that the dialer holds when they are cancelled, paused, deleted or moved",
    )
    copy_passes: str = _setting(
        "keep", "whether copied leads keep or reset their state and passes", choices=("keep", "reset")
    )
    transition_marks: str = _setting(
        "original", "the lead that a transition marks as TRANSITIONED", choices=("original", "copy")
    )
    loader_defaults: bool = _setting(False, "a load may omit required options, for which defaults apply")
    load_lists: str = _setting(
        "named",
        "whether the list of a load has its description as its name, or a generated name",
        choices=("named", "unnamed"),
    )
    column_base: int = _setting(0, "number of the first column in pageColumnMappings", most=1)
    dnc_scrubbed: str = _setting(
        "leave_out",
        "whether leads scrubbed at load are left out or inserted as DO-NOT-CALL",
        choices=("leave_out", "insert"),
    )
    visibility_delay: float = _setting(0.0, "seconds until a change is visible to searches", most=3600)
    patch_state: bool = _setting(False, "lead updates may change leadState")
    token_lifetime: float = _setting(300.0, "lifetime of a Bearer token in seconds", least=0.001)
    refresh_lifetime: float = _setting(3600.0, "lifetime of a RingCX refresh token in seconds", least=0.001)
    retry_after: bool = _setting(True, "429 responses have a Retry-After header")
    rate_headers: bool = _setting(False, "responses have the X-Rate-Limit headers of RingCentral's platform")
    rate_penalty: bool = _setting(False, "requests rejected with 429 count towards the limit")
    html_fallback: bool = _setting(True, "unknown paths outside the API return 200 with a web page")

    def __post_init__(self) -> None:
        """Validate all values."""
        for each in fields(self):
            _validate(each, getattr(self, each.name))

    @classmethod
    def from_texts(cls, texts: Mapping[str, str], **chosen: Any) -> Settings:
        """Return settings parsed from strings, as in environments and command lines.

        :param texts: values as strings by name; those also in ``chosen`` are not parsed.
        :param chosen: values that take precedence.
        :return: the settings, with defaults for those in neither.
        :raises ValueError: if a string is invalid, or a value is out of range.
        """
        parsed = {
            each.name: _parse(each, texts[each.name])
            for each in fields(cls)
            if each.name in texts and each.name not in chosen
        }
        return cls(**parsed, **chosen)

    @classmethod
    def from_environment(cls, **chosen: Any) -> Settings:
        """Return settings from environment variables such as ``ENGAGEVOICE_SANDBOX_SIZE``.

        :param chosen: values that take precedence over the environment.
        :return: the settings.
        :raises ValueError: if a variable is not a setting, has an invalid value, or a value is out of range.
        """
        names = {variable_of(each.name): each.name for each in fields(cls)}
        given = {name: text for name, text in os.environ.items() if name.startswith(VARIABLE_PREFIX)}
        unknown = sorted(set(given) - set(names))
        if unknown:
            (nearest,) = get_close_matches(unknown[0].upper(), names, n=1, cutoff=0)
            raise ValueError(f"{unknown[0]} is not a setting; the most similar one is {nearest}")
        return cls.from_texts({names[variable]: text for variable, text in given.items()}, **chosen)


def variable_of(name: str) -> str:
    """Return the environment variable of a setting."""
    return VARIABLE_PREFIX + name.upper()


def _parse(setting: Field[Any], text: str) -> Any:
    """Return a value parsed from a string, of the same type as the default."""
    kind: type = type(setting.default)
    try:
        return _BOOLEANS[text.strip().lower()] if kind is bool else kind(text.strip())
    except (KeyError, ValueError) as error:
        expected = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise ValueError(f"{setting.name} must be {expected}, not {text!r}") from error


def _validate(setting: Field[Any], value: Any) -> None:
    """Raise if a value has the wrong type or is out of range."""
    least, most, choices = (setting.metadata[name] for name in ("least", "most", "choices"))
    kind = type(setting.default)
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise ValueError(f"{setting.name} must be of type {kind.__name__}, not {value!r}")
    if choices and value not in choices:
        raise ValueError(f"{setting.name} must be one of {', '.join(choices)}, not {value!r}")
    if kind in (int, float) and not least <= value <= most:
        # Also raises for NaN, for which every comparison is false.
        raise ValueError(f"{setting.name} must be between {least:,} and {most:,}, not {value!r}")
