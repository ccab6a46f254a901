"""Parser of ``multipart/form-data`` bodies for operations with a file upload."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message

from airflow_provider_engagevoice.sandbox.http.errors import ApiError, InvalidValue
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest

#: Limits: number of files, number of text fields, size of a text field. A file can be as large as the body.
_MAX_FILES = 100
_MAX_FIELDS = 100
_MAX_FIELD_BYTES = 64 * 1024


@dataclass(frozen=True)
class Upload:
    """A part of a body that is a file.

    :param name: its file name, as the client gave it.
    :param content: its bytes.
    """

    name: str
    content: bytes


def parse_parts(request: ApiRequest) -> tuple[dict[str, str], dict[str, Upload]]:
    """Parse all parts of a multipart body; if parts have the same name, the last one wins.

    :param request: the request.
    :return: the parts without a file name as texts, and the parts with one as files; both by name.
    :raises ApiError: with status 400, if the body is not multipart, is truncated, or exceeds a limit.
    """
    content_type = request.headers.get("content-type", "")
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise ApiError(400, "The request must be multipart/form-data with a boundary")
    # Starlette accepts a truncated body and drops its last part.
    if b"--" + boundary + b"--" not in request.body:
        raise ApiError(400, "The request body ends before its last boundary")
    try:
        fields, files = asyncio.run(_parse(content_type, request.body))
    except MultiPartException as error:
        raise ApiError(400, f"The request body is not valid multipart/form-data: {error.message}") from error
    except FormParserError as error:  # Older releases of Starlette do not convert this error.
        raise ApiError(400, "The request body is not valid multipart/form-data") from error
    if any(
        "\0" in text for text in (*fields, *fields.values(), *files, *(file.name for file in files.values()))
    ):
        raise ApiError(400, "The request body contains a character that is not allowed")
    return fields, files


def parse_upload(request: ApiRequest) -> tuple[dict[str, str], Upload]:
    """Parse a multipart body that must have the part ``file``.

    :param request: the request.
    :return: the text fields and the file. Source: contract, both operations with a file.
    :raises ApiError: with status 400, as in :func:`parse_parts`, and if the file is missing.
    """
    fields, files = parse_parts(request)
    if "file" not in files:
        problem = "file is required, as a part with a file name"
        raise ApiError(400, problem, [InvalidValue("file", problem)])
    return fields, files["file"]


async def _parse(content_type: str, body: bytes) -> tuple[dict[str, str], dict[str, Upload]]:
    """Parse a body with Starlette's form parser.

    :param content_type: the header of the request.
    :param body: the complete body, already limited in size.
    :return: as :func:`parse_parts`.
    :raises MultiPartException: if the body is malformed, or exceeds a limit.
    :raises FormParserError: if the body is malformed.
    """

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "headers": [(b"content-type", content_type.encode("latin-1"))]}
    form = Request(scope, receive).form(
        max_files=_MAX_FILES, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES
    )
    fields: dict[str, str] = {}
    files: dict[str, Upload] = {}
    async with form as parts:
        for name, part in parts.multi_items():
            if isinstance(part, str):
                fields[name] = part
            else:
                files[name] = Upload(part.filename or "", await part.read())
    return fields, files
