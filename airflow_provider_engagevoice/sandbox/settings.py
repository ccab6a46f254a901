"""What a sandbox can be told to do differently: one set of switches for command line, environment, tests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from typing import Any

VARIABLE_PREFIX = "ENGAGEVOICE_SANDBOX_"

_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def _switch(
    default: Any, meaning: str, *, least: float = 0, most: float = 10**9, among: tuple[str, ...] = ()
) -> Any:
    """Describe one setting: what it means, and which values it takes."""
    return field(default=default, metadata={"help": meaning, "least": least, "most": most, "among": among})


@dataclass(frozen=True)
class Settings:
    """Choices of one sandbox. What each means stands beside it, and is what ``--help`` prints.

    The defaults follow what is known of RingCX, as :mod:`airflow_provider_engagevoice.sandbox.fidelity`
    lists it.

    :raises ValueError: a value is out of its range; the message names the setting.
    """

    seed: int = _switch(
        1, "which data is generated; the same seed and size give the same data", least=-(10**18), most=10**18
    )
    size: int = _switch(10_000, "number of leads at the start", most=10_000_000)
    limits: str = _switch(
        "documented", "enforce the documented rate limits, or none", among=("documented", "off")
    )
    latency: float = _switch(0.0, "seconds added to every response", most=60)
    page_base: int = _switch(0, "number of the first page of a search", most=1)
    row_cap: int = _switch(5000, "largest number of rows that one search returns", least=1)
    id_cap: int = _switch(0, "largest number of ids in one list of criteria, more return 400; 0 for no bound")
    strict_criteria: bool = _switch(False, "criteria without any filter return 400")
    honour_campaign_id: bool = _switch(False, "a campaignId together with campaignIds narrows the search")
    text_match: str = _switch(
        "whole",
        "text filters such as lastName match the whole value, or a part of it",
        among=("whole", "part"),
    )
    strict_params: bool = _switch(
        False, "a missing or wrong parameter of an action returns 400, not a failure with 200"
    )
    strict_reservation: bool = _switch(False, "AGENT_RESERVATION requires CALLBACK_DTS")
    dialer_holds: int = _switch(
        0,
        "READY leads that the dialer has just taken when they are cancelled, paused, deleted or moved",
    )
    copy_passes: str = _switch(
        "keep", "copies of leads keep state and passes, or start with new ones", among=("keep", "reset")
    )
    transition_marks: str = _switch(
        "original", "which lead a transition marks as TRANSITIONED", among=("original", "copy")
    )
    loader_defaults: bool = _switch(False, "a load without its required options works with their defaults")
    column_base: int = _switch(0, "number of a file's first column in pageColumnMappings", most=1)
    dnc_scrubbed: str = _switch(
        "leave_out",
        "leads scrubbed at load are left out, or loaded as DO-NOT-CALL",
        among=("leave_out", "insert"),
    )
    visibility_delay: float = _switch(0.0, "seconds until a search shows changes", most=3600)
    patch_state: bool = _switch(False, "an update of a lead may change leadState")
    token_lifetime: float = _switch(300.0, "lifetime of a Bearer token, in seconds", least=0.001)
    refresh_lifetime: float = _switch(3600.0, "lifetime of a RingCX refresh token, in seconds", least=0.001)
    retry_after: bool = _switch(True, "429 responses have Retry-After")
    rate_headers: bool = _switch(False, "responses have the X-Rate-Limit headers of RingCentral's platform")
    rate_penalty: bool = _switch(False, "requests rejected with 429 count towards the limit")
    html_fallback: bool = _switch(True, "unknown paths outside the API return 200 with a web page")

    def __post_init__(self) -> None:
        """Refuse values that no sandbox could act on."""
        for each in fields(self):
            _check(each, getattr(self, each.name))

    @classmethod
    def from_texts(cls, texts: Mapping[str, str], **chosen: Any) -> Settings:
        """Make settings of texts, as environments and command lines have them.

        :param texts: names of settings with their values as text; those of ``chosen`` are not read.
        :param chosen: values that are there already.
        :return: the settings; what is in neither has its default.
        :raises ValueError: a text is no such value, or a value is out of its range.
        """
        read = {
            each.name: _read(each, texts[each.name])
            for each in fields(cls)
            if each.name in texts and each.name not in chosen
        }
        return cls(**read, **chosen)

    @classmethod
    def from_environment(cls, **chosen: Any) -> Settings:
        """Make settings of the variables ``ENGAGEVOICE_SANDBOX_SIZE`` and so on.

        :param chosen: values that count more than the environment's.
        :return: the settings.
        :raises ValueError: a variable holds no such value, or is of no setting, or a value is out of its
            range.
        """
        names = {variable_of(each.name): each.name for each in fields(cls)}
        given = {name: text for name, text in os.environ.items() if name.startswith(VARIABLE_PREFIX)}
        unknown = sorted(set(given) - set(names))
        if unknown:
            (nearest,) = get_close_matches(unknown[0].upper(), names, n=1, cutoff=0)
            raise ValueError(f"{unknown[0]} is of no setting; the nearest is {nearest}")
        return cls.from_texts({names[variable]: text for variable, text in given.items()}, **chosen)


def variable_of(name: str) -> str:
    """Return the environment variable of a setting."""
    return VARIABLE_PREFIX + name.upper()


def _read(setting: Field[Any], text: str) -> Any:
    """Read one value from text, as the kind of value that the default is."""
    kind: type = type(setting.default)
    try:
        return _WORDS[text.strip().lower()] if kind is bool else kind(text.strip())
    except (KeyError, ValueError) as error:
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise ValueError(f"{setting.name} must be {wanted}, not {text!r}") from error


def _check(setting: Field[Any], value: Any) -> None:
    """Refuse a value of the wrong type or out of its range."""
    least, most, among = (setting.metadata[name] for name in ("least", "most", "among"))
    kind = type(setting.default)
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise ValueError(f"{setting.name} must be of type {kind.__name__}, not {value!r}")
    if among and value not in among:
        raise ValueError(f"{setting.name} must be one of {', '.join(among)}, not {value!r}")
    if kind in (int, float) and not least <= value <= most:
        # What is not a number lies nowhere, either.
        raise ValueError(f"{setting.name} must be between {least:,} and {most:,}, not {value!r}")
