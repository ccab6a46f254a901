"""The host of a connection: what is taken, and what is refused before a credential leaves."""

from __future__ import annotations

import pytest

from airflow_provider_engagevoice.ringcx.client import base_url
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")


@pytest.mark.parametrize(
    ("host", "more", "expected"),
    [
        (None, {}, "https://ringcx.ringcentral.com"),
        ("", {}, "https://ringcx.ringcentral.com"),
        ("ringcx.ringcentral.com", {}, "https://ringcx.ringcentral.com"),
        (" https://ringcx.ringcentral.com/ ", {}, "https://ringcx.ringcentral.com"),
        ("HTTPS://RingCX.RingCentral.com", {}, "https://ringcx.ringcentral.com"),
        ("ringcx.ringcentral.com", {"port": 8443}, "https://ringcx.ringcentral.com:8443"),
        ("https://ringcx.ringcentral.com:444", {"port": 8443}, "https://ringcx.ringcentral.com:444"),
        ("ringcx.ringcentral.com", {"scheme": "https"}, "https://ringcx.ringcentral.com"),
        ("127.0.0.1", {"scheme": "http", "port": 8787}, "http://127.0.0.1:8787"),
        ("http://localhost:8787", {}, "http://localhost:8787"),
        ("http://[::1]:8787", {}, "http://[::1]:8787"),
        ("[::1]", {"scheme": "http", "port": 8787}, "http://[::1]:8787"),
        ("https://[2001:db8::7]", {"port": 8443}, "https://[2001:db8::7]:8443"),
        ("https://ringcx", {}, "https://ringcx"),
        ("ring_cx.internal", {}, "https://ring_cx.internal"),
        # Limits and tokens are shared by the address, so one host has one.
        ("ringcx.ringcentral.com", {"port": 443}, "https://ringcx.ringcentral.com"),
        ("https://ringcx.ringcentral.com:443", {}, "https://ringcx.ringcentral.com"),
        ("https://ringcx.ringcentral.com:443", {"port": 8443}, "https://ringcx.ringcentral.com"),
        ("https://ringcx.ringcentral.com.", {}, "https://ringcx.ringcentral.com"),
        ("ringcx.ringcentral.com.:8443", {}, "https://ringcx.ringcentral.com:8443"),
        ("https://[2001:db8::7]:443", {}, "https://[2001:db8::7]"),
        ("https://ringcx.ringcentral.com:80", {}, "https://ringcx.ringcentral.com:80"),
        ("http://127.0.0.1:80", {}, "http://127.0.0.1"),
        ("http://localhost.:80", {}, "http://localhost"),
        ("http://localhost:443", {}, "http://localhost:443"),
    ],
)
def test_hosts_that_are_taken(host: str | None, more: dict[str, object], expected: str) -> None:
    assert base_url(host, **more) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "more"),
    [
        ("http://ringcx.ringcentral.com", {}),
        ("ringcx.ringcentral.com", {"scheme": "http"}),
        ("http://127.0.0.1.elsewhere.example", {}),
        ("http://localhost.elsewhere.example", {}),
        ("http://ringcx.ringcentral.com.:80", {}),
        ("http://[2001:db8::7]:8787", {}),
        ("http://0.0.0.0:8787", {}),
    ],
)
def test_plain_http_to_another_machine_is_refused(host: str, more: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter, match="Plain http would show the credentials"):
        base_url(host, **more)


@pytest.mark.parametrize(
    ("host", "more"),
    [
        ("https://ringcx.ringcentral.com/voice", {}),
        ("ringcx.ringcentral.com/voice/api", {}),
        ("https://ringcx.ringcentral.com?x=1", {}),
        ("https://ringcx.ringcentral.com#x", {}),
        ("https://user@ringcx.ringcentral.com", {}),
        ("https://user:hidden-word@ringcx.ringcentral.com", {}),
        ("https://:hidden-word@ringcx.ringcentral.com", {}),
        ("https://@ringcx.ringcentral.com", {}),
        ("http://localhost:8787@elsewhere.example", {}),
        ("https://user:hidden-word@ringcx.ringcentral.com:port", {}),
        ("https://user:hidden-word@[::1", {}),
        ("ftp://ringcx.ringcentral.com", {}),
        ("://ringcx.ringcentral.com", {}),
        ("https://", {}),
        ("::1", {}),
        ("ringcx ringcentral com", {}),
        ("ringcx..ringcentral.com", {}),
        ("ringcx.ringcentral.com..", {}),
        ("https://.", {}),
        ("ringcx.ringcentral.com\\@elsewhere.example", {}),
        ("ringcx.ringcentral.com,elsewhere.example", {}),
        ("x" * 64, {}),
        ("ringcx.ringcentral.com", {"port": 70000}),
        ("ringcx.ringcentral.com", {"port": -1}),
        ("https://ringcx.ringcentral.com:70000", {}),
    ],
)
def test_what_is_no_host_is_refused_without_repeating_it(host: str, more: dict[str, int]) -> None:
    with pytest.raises(InvalidParameter, match=r"host|port") as caught:
        base_url(host, **more)
    assert "hidden-word" not in str(caught.value)
