"""Limits for uploaded ZIP archives of XML, checked before a library parses them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

#: Limits of an archive: bytes of uncompressed XML; their ratio to the size of the upload, above 512 KiB
#: (Apache POI has the same limit; lead lists have a ratio of 12 to 17); XML elements; parts.
MAX_XML_BYTES = 16 * 1024 * 1024
MAX_RATIO = 100
MAX_XML_BYTES_AT_ANY_RATIO = 512 * 1024
MAX_ELEMENTS = 1_000_000
MAX_PARTS = 1_000

_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

#: Errors of :mod:`zipfile` for files that are not ZIP archives, are encrypted, or lack a part.
NOT_AN_ARCHIVE = (
    zipfile.BadZipFile, zlib.error, struct.error, KeyError, EOFError, OSError, RuntimeError,
)  # fmt: skip


class UnsupportedFile(ValueError):
    """Raised for a file that exceeds a limit or has unsupported content."""


def copy_checked(content: bytes, replacements: Mapping[bytes, bytes]) -> io.BytesIO:
    """Copy the XML of an archive into an uncompressed archive, and validate it.

    A library that reads the copy parses only validated XML. Other parts, such as images, are dropped.

    :param content: the archive.
    :param replacements: the strings to replace in the XML, and their replacements.
    :return: the copy.
    :raises UnsupportedFile: if it exceeds a limit, or its XML is not UTF-8 or declares entities.
    :raises zipfile.BadZipFile: if it is not an archive; other errors of :data:`NOT_AN_ARCHIVE` likewise.
    """
    budget = min(MAX_XML_BYTES, max(MAX_RATIO * len(content), MAX_XML_BYTES_AT_ANY_RATIO))
    elements = 0
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(copy, "w") as checked:
        parts = {
            each.filename: each for each in archive.infolist() if each.filename.endswith((".xml", ".rels"))
        }
        if len(parts) > MAX_PARTS:
            raise UnsupportedFile(f"has more than {MAX_PARTS} parts")
        for name, part in parts.items():
            xml = _read(archive, part, budget)
            budget -= len(xml)
            elements += xml.count(b"<") - xml.count(b"</")
            if elements > MAX_ELEMENTS:
                raise UnsupportedFile("is too large")
            for old, new in replacements.items():
                xml = xml.replace(old, new)
            checked.writestr(name, xml)
    return copy


def _read(archive: zipfile.ZipFile, part: zipfile.ZipInfo, budget: int) -> bytes:
    """Read one part of an archive.

    :param archive: the archive.
    :param part: the part; its declared size is not trusted.
    :param budget: maximum number of bytes.
    :return: its XML.
    :raises UnsupportedFile: if it is too large, is not UTF-8, or declares entities.
    """
    if part.compress_type not in _COMPRESSIONS:
        raise UnsupportedFile("is compressed by a method that Excel does not use")
    with archive.open(part) as stream:
        xml = stream.read(budget + 1)
    if len(xml) > budget:
        raise UnsupportedFile("is too large")
    try:
        text = xml.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnsupportedFile("contains XML that is not UTF-8") from error
    # Entities are declared in a DOCTYPE and can expand without limit. Excel does not write any.
    if "<!DOCTYPE" in text or "\0" in text:
        raise UnsupportedFile("contains XML that Excel does not write")
    return xml
