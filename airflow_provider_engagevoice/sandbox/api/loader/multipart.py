"""Reads ``multipart/form-data`` bodies, for the operations that take a file."""

from __future__ import annotations

from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from airflow_provider_engagevoice.sandbox.http.endpoint import Call
from airflow_provider_engagevoice.sandbox.http.errors import Invalid, Refusal

_MOST_PARTS = 100


@dataclass(frozen=True)
class Upload:
    """A part of a body that is a file.

    :param name: its file name, as the client gave it.
    :param content: its bytes.
    """

    name: str
    content: bytes


def read_parts(call: Call) -> tuple[dict[str, str], dict[str, Upload]]:
    """Read a multipart body whole; of parts of one name the last one counts.

    :param call: the request.
    :return: the parts without a file name as texts, and those with one as files; both by their names.
    :raises Refusal: with status 400, where the body is no such body, is cut off, or a text is not UTF-8.
    """
    kind, options = parse_options_header(call.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise Refusal(400, "The request must be multipart/form-data with a boundary")
    reading = _Reading()
    try:
        parser = MultipartParser(boundary, reading.callbacks())  # type: ignore[arg-type]
        parser.write(call.body)
        parser.finalize()
    except FormParserError as error:
        raise Refusal(400, "The request body is not valid multipart/form-data") from error
    if not reading.ended:
        raise Refusal(400, "The request body ends before its last boundary")
    return reading.fields, reading.files


def file_of(call: Call) -> tuple[dict[str, str], Upload]:
    """Read a multipart body that must have the part ``file``.

    :param call: the request.
    :return: the other parts that are texts, and the file. Source: contract, both operations with a file.
    :raises Refusal: with status 400, as :func:`read_parts`, and where the file is missing.
    """
    fields, files = read_parts(call)
    if "file" not in files:
        problem = "file is required, as a part with a file name"
        raise Refusal(400, problem, [Invalid("file", problem)])
    return fields, files["file"]


@dataclass
class _Reading:
    """What was read of a body so far."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)
    ended: bool = False
    parts: int = 0
    header: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    headers: dict[bytes, bytes] = field(default_factory=dict)
    content: bytearray = field(default_factory=bytearray)

    def callbacks(self) -> dict[str, object]:
        """Return what the parser is to call."""
        return {
            "on_part_begin": self.begin,
            "on_header_field": lambda data, start, end: self.header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self.value.extend(data[start:end]),
            "on_header_end": self.end_header,
            "on_part_data": lambda data, start, end: self.content.extend(data[start:end]),
            "on_part_end": self.end_part,
            "on_end": self.end,
        }

    def begin(self) -> None:
        """Begin a part."""
        self.parts += 1
        if self.parts > _MOST_PARTS:
            raise Refusal(400, f"The request body has more than {_MOST_PARTS} parts")
        self.headers = {}
        self.content.clear()

    def end_header(self) -> None:
        """Keep a header of a part."""
        self.headers[bytes(self.header).lower()] = bytes(self.value)
        self.header.clear()
        self.value.clear()

    def end_part(self) -> None:
        """Keep a part."""
        _, options = parse_options_header(self.headers.get(b"content-disposition"))
        if b"name" not in options:
            raise Refusal(400, "A part of the request body has no name")
        name = _text(options[b"name"])
        if b"filename" in options:
            self.files[name] = Upload(_text(options[b"filename"]), bytes(self.content))
        else:
            self.fields[name] = _text(bytes(self.content))

    def end(self) -> None:
        """Note that the last boundary has come."""
        self.ended = True


def _text(raw: bytes) -> str:
    """Read a text, which must be UTF-8 (assumed) and without NUL."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(400, "A part of the request body is not UTF-8") from error
    if "\0" in text:
        raise Refusal(400, "The request body holds a character that is not allowed")
    return text
