"""Settings from Python, strings and environment variables."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.settings import Settings, variable_of

#: Every setting: default, another valid value, that value as a string, and invalid values. Written by hand;
#: a new setting must be added here.
EVERY: dict[str, tuple[Any, Any, str, list[Any]]] = {
    "column_base": (0, 1, "1", [2, -1]),
    "copy_passes": ("keep", "reset", "reset", ["Keep", ""]),
    "dialer_holds": (0, 3, "3", [-1, 10**30]),
    "dnc_scrubbed": ("leave_out", "insert", "insert", ["leave out"]),
    "honour_campaign_id": (False, True, "true", [1, "true", None]),
    "html_fallback": (True, False, "off", [0]),
    "id_cap": (0, 1000, "1000", [-1, 1.0]),
    "latency": (0.0, 0.25, "0.25", [-0.1, 60.5]),
    "latency_jitter": (0.0, 0.1, "0.1", [-0.1, 1.5]),
    "limits": ("documented", "off", "off", ["on", "DOCUMENTED", None]),
    "load_lists": ("named", "unnamed", "unnamed", ["Named", None]),
    "loader_defaults": (False, True, "yes", [1]),
    "page_base": (0, 1, "1", [2, True]),
    "patch_state": (False, True, "ON", [1]),
    "rate_headers": (False, True, " True ", [1]),
    "rate_penalty": (False, True, "1", [1]),
    "refresh_lifetime": (3600.0, 7.5, "7.5", [0, 0.0, 10**400]),
    "retry_after": (True, False, "no", [0]),
    "row_cap": (5000, 1, "1", [0, 10**30]),
    "seed": (1, -7, "-7", ["1", 1.5, True, 10**30]),
    "size": (10_000, 0, "0", [-1, 10_000_001]),
    "strict_criteria": (False, True, "1", [1]),
    "strict_params": (False, True, "1", [1]),
    "strict_reservation": (False, True, "1", [1]),
    "text_match": ("whole", "part", "part", ["prefix"]),
    "token_lifetime": (300.0, 20, "20", [0, -1, "20"]),
    "transition_marks": ("original", "copy", "copy", ["both"]),
    "visibility_delay": (0.0, 1.5, "1.5", [-1, 3601]),
}
NUMBERS = sorted(name for name, (default, *_) in EVERY.items() if isinstance(default, (int, float)))
NUMBERS = [name for name in NUMBERS if not isinstance(EVERY[name][0], bool)]
BOOLEANS = sorted(name for name, (default, *_) in EVERY.items() if isinstance(default, bool))
CHOICES = sorted(name for name, (default, *_) in EVERY.items() if isinstance(default, str))


@pytest.fixture(autouse=True)
def _no_settings_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in EVERY:
        monkeypatch.delenv(variable_of(name), raising=False)


def test_settings_are_all_listed_here_and_described() -> None:
    assert {each.name: each.default for each in fields(Settings)} == {
        name: default for name, (default, *_) in EVERY.items()
    }
    for each in fields(Settings):
        assert each.metadata["help"]
        assert not each.metadata["help"].endswith(".")


@pytest.mark.parametrize("name", sorted(EVERY))
def test_setting_is_read_from_python_string_and_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    default, value, text, _ = EVERY[name]
    assert value != default
    direct = Settings(**dict[str, Any]({name: value}))
    assert getattr(direct, name) == value
    assert Settings.from_texts({name: text}) == direct
    assert Settings.from_environment() == Settings()
    monkeypatch.setenv(f"ENGAGEVOICE_SANDBOX_{name.upper()}", text)
    assert Settings.from_environment() == direct
    # A chosen value takes precedence, and the string is not parsed.
    monkeypatch.setenv(f"ENGAGEVOICE_SANDBOX_{name.upper()}", "nonsense")
    assert Settings.from_environment(**{name: default}) == Settings()
    assert Settings.from_texts({name: "nonsense"}, **{name: value}) == direct


@pytest.mark.parametrize("name", sorted(EVERY))
def test_invalid_value_raises_with_name(name: str) -> None:
    for wrong in EVERY[name][3]:
        with pytest.raises(ValueError, match=rf"^{name} must be "):
            Settings(**{name: wrong})


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "1e", "0x10", "9" * 5000, "nan", "inf", "-inf", "1e999"],
    ids=lambda text: text[:10] or "empty",
)
@pytest.mark.parametrize("name", [*NUMBERS, *BOOLEANS, *CHOICES])
def test_invalid_string_raises_with_name(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be "):
        Settings.from_texts({name: text})
    monkeypatch.setenv(variable_of(name), text)
    with pytest.raises(ValueError, match=rf"^{name} must be "):
        Settings.from_environment()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")], ids=repr)
@pytest.mark.parametrize("name", NUMBERS)
def test_non_finite_number_raises(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be "):
        Settings(**dict[str, Any]({name: value}))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"latency": 61}, "latency must be between 0 and 60, not 61"),
        ({"limits": "none"}, "limits must be one of documented, off, not 'none'"),
        ({"page_base": "1"}, "page_base must be of type int, not '1'"),
        ({"size": 10_000_001}, "size must be between 0 and 10,000,000, not 10000001"),
        ({"token_lifetime": 0}, "token_lifetime must be between 0.001 and 1,000,000,000, not 0"),
    ],
    ids=str,
)
def test_invalid_value_message_names_valid_values(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Settings(**wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"rate_headers": "maybe"}, "rate_headers must be true or false, not 'maybe'"),
        ({"row_cap": "many"}, "row_cap must be a whole number, not 'many'"),
        ({"visibility_delay": "soon"}, "visibility_delay must be a number, not 'soon'"),
    ],
    ids=str,
)
def test_invalid_string_message_names_expected_type(text: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Settings.from_texts(text)


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("SIZ", "SIZE"), ("ROWCAP", "ROW_CAP"), ("page_base", "PAGE_BASE"), ("", "SEED|SIZE")],
)
def test_unknown_variable_raises_with_similar_name(
    wrong: str, nearest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ENGAGEVOICE_SANDBOX_{wrong}", "5")
    prefix = "ENGAGEVOICE_SANDBOX_"
    message = rf"^{prefix}{wrong} is not a setting; the most similar one is {prefix}({nearest})$"
    with pytest.raises(ValueError, match=message):
        Settings.from_environment()


def test_settings_are_immutable() -> None:
    settings = Settings()
    with pytest.raises(FrozenInstanceError):
        settings.size = 5  # type: ignore[misc]


def test_unknown_setting_raises_in_python() -> None:
    with pytest.raises(TypeError):
        Settings(sizes=5)  # type: ignore[call-arg]


@pytest.mark.parametrize("wrong", [{"page_base": 2}, {"size": -1}, {"row_cap": 0}, {"token_lifetime": 0}])
def test_settings_outside_their_range_raise(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)
