"""Limits of uploaded ZIP archives."""

from __future__ import annotations

import io
import zipfile

import pytest

from airflow_provider_engagevoice.sandbox.api.uploads.archives import UnsupportedFile, copy_checked


def make_archive(parts: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return written.getvalue()


def test_copy_checked_keeps_only_xml() -> None:
    parts = {"a.xml": b"<a/>", "b/_rels/b.rels": "<\xe4/>".encode()}
    copy = copy_checked(make_archive({**parts, "image.png": b"\x89PNG"}), {})
    with zipfile.ZipFile(copy) as file:
        assert {name: file.read(name) for name in file.namelist()} == parts


def test_copy_checked_duplicate_part_is_checked_as_read() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as file:
        file.writestr("a.xml", "<!DOCTYPE a>")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("a.xml", "<b/>")
    with zipfile.ZipFile(copy_checked(written.getvalue(), {})) as file:
        assert file.read("a.xml") == b"<b/>"


def test_copy_checked_replaces_in_every_part() -> None:
    copy = copy_checked(make_archive({"a.xml": b"<old/>", "b.rels": b"<b old='old'/>"}), {b"old": b"new"})
    with zipfile.ZipFile(copy) as file:
        assert (file.read("a.xml"), file.read("b.rels")) == (b"<new/>", b"<b new='new'/>")


MEBIBYTE = 1024 * 1024

TOO_LARGE: dict[str, tuple[dict[str, bytes], int]] = {
    "bytes in all": ({f"{number}.xml": b" " * 2 * MEBIBYTE for number in range(9)}, zipfile.ZIP_STORED),
    "bytes of one": ({"a.xml": b" " * (16 * MEBIBYTE + 1)}, zipfile.ZIP_STORED),
    "elements": ({"a.xml": b"<a/>" * 500_000, "b.xml": b"<a>" * 500_001}, zipfile.ZIP_STORED),
    "ratio": ({"a.xml": b" " * (MEBIBYTE // 2 + 1)}, zipfile.ZIP_DEFLATED),
}


@pytest.mark.parametrize("name", sorted(TOO_LARGE))
def test_copy_checked_over_limit_raises(name: str) -> None:
    parts, compression = TOO_LARGE[name]
    with pytest.raises(UnsupportedFile, match="is too large"):
        copy_checked(make_archive(parts, compression), {})


ALLOWED: dict[str, tuple[dict[str, bytes], int]] = {
    "bytes in all": ({f"{number}.xml": b" " * 2 * MEBIBYTE for number in range(8)}, zipfile.ZIP_STORED),
    "bytes of one": ({"a.xml": b" " * 16 * MEBIBYTE}, zipfile.ZIP_STORED),
    "elements": ({"a.xml": b"<a></a>" * 500_000, "b.xml": b"<a/>" * 500_000}, zipfile.ZIP_STORED),
    "parts": ({f"{number}.xml": b"" for number in range(1_000)}, zipfile.ZIP_STORED),
    "ratio": ({"a.xml": b" " * (MEBIBYTE // 2)}, zipfile.ZIP_DEFLATED),
    "unread": ({"a.png": b" " * 20 * MEBIBYTE}, zipfile.ZIP_DEFLATED),
}


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_copy_checked_at_limit_succeeds(name: str) -> None:
    parts, compression = ALLOWED[name]
    copy_checked(make_archive(parts, compression), {})


def test_copy_checked_too_many_parts_raises() -> None:
    with pytest.raises(UnsupportedFile, match="more than 1000 parts"):
        copy_checked(make_archive({f"{number}.xml": b"" for number in range(1_001)}), {})
