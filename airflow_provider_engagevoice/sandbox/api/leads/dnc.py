"""Handlers for do-not-call lists and tags. Source of paths and fields: guide; the contract lacks them.

The search filters and the responses of uploads and deletions are assumed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.api.leads.lead_fields import (
    parse_international_phone,
    parse_phones,
    parse_us_phone,
)
from airflow_provider_engagevoice.sandbox.api.uploads.multipart import parse_upload
from airflow_provider_engagevoice.sandbox.api.uploads.tables import parse_format, read_table
from airflow_provider_engagevoice.sandbox.http.endpoint import json_response
from airflow_provider_engagevoice.sandbox.http.errors import ApiError, InvalidValue, validation_error
from airflow_provider_engagevoice.sandbox.http.pagination import parse_page
from airflow_provider_engagevoice.sandbox.http.parsing import parse_text
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.http.timestamps import format_datetime
from airflow_provider_engagevoice.sandbox.state import credentials
from airflow_provider_engagevoice.sandbox.state.dnc import (
    DEFAULT_COUNTRY,
    GLOBAL_ID,
    Entry,
    EntryDefaults,
    add_entries,
    list_tags,
)
from airflow_provider_engagevoice.sandbox.state.phones import phone_digits
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState

Row = dict[str, object]

#: Paths of a value in a body: the current one first, then those of older guides.
_FIELD_PATHS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "phone": (("phone",),),
    "externId": (("externId",),),
    "reason": (("reason",),),
    "country": (("countryId",), ("countryCode", "id")),
    "tag": (("dncTagId",), ("dncTag", "dncTagId"), ("dncTag", "dncTagLabel"), ("tag",)),
}


def dnc_entries(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET dncLists``."""
    return json_response(_find(sandbox, request, {}))


def search_dnc(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST dncLists/advancedSearch``: filter by phone, externId, reason, country and tag (AND)."""
    return json_response(_find(sandbox, request, _parse(request.json_object())))


def add_dnc_entry(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST dncLists``: 201 and the entry; an existing entry is not changed (assumed)."""
    fields = _parse(request.json_object())
    if "phone" not in fields and "externId" not in fields:
        raise validation_error([InvalidValue("phone", "is missing")])
    with sandbox.store.changing() as connection:
        defaults = _parse_defaults(sandbox, request, connection, fields)
        try:
            phone = _parse_phone(fields.get("phone", ""), defaults.country)
        except ValueError as error:
            raise ApiError(400, str(error), [InvalidValue.of("phone", error, fields["phone"])]) from error
        entry = Entry(phone, fields.get("externId", ""), fields.get("reason"))
        add_entries(connection, defaults, [entry])
        found = connection.execute(
            "SELECT * FROM dnc_entries WHERE accountId = ? AND dncTagId = ? AND countryId = ? AND digits = ?"
            " AND externId = ?",
            (defaults.account, defaults.tag, defaults.country, phone_digits(phone), entry.extern_id),
        ).fetchone()
        return json_response(_entry(found, list_tags(connection, defaults.account)), 201)


def upload_dnc(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST dncLists/uploadDncFile``: 200, the number of new entries, and the rejected rows.

    The first column of the file is a phone number; an external id and a reason may follow. Query or body may
    hold ``dncTagId``, ``countryId`` and ``fileType``; the defaults are GLOBAL, USA and COMMA.
    """
    form_fields, upload = parse_upload(request)
    fields = _parse({**form_fields, **request.query})
    pages = read_table(upload, parse_format(request, form_fields, default="COMMA"))
    rows = [row for page in pages for row in page.rows]
    with sandbox.store.changing() as connection:
        defaults = _parse_defaults(sandbox, request, connection, fields)
        entries: list[Entry] = []
        rejected: list[Row] = []
        for row in rows:
            try:
                phone = _parse_phone(row[0].strip(), defaults.country)
            except ValueError as error:
                rejected.append({"message": str(error), "rowData": row})
            else:
                extern_id, reason = [*(value.strip() for value in row[1:3]), "", ""][:2]
                entries.append(Entry(phone, extern_id, reason or None))
        added = add_entries(connection, defaults, entries)
    return json_response({"dncUploadCount": added, "rejectedRows": rejected})


def delete_dnc_of_tag(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``DELETE dncLists/tags/{tag}``: delete all entries of a tag; 200 and true."""
    with sandbox.store.changing() as connection:
        _delete(connection, request, "1")
    return json_response(True)


def delete_dnc_of_country(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``DELETE dncLists/tags/{tag}/countries/{country}``: delete its entries of a country; 200 and true."""
    with sandbox.store.changing() as connection:
        _delete(connection, request, "countryId = ?", request.path_params["country"].upper())
    return json_response(True)


def delete_dnc_phone(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``DELETE dncLists/tags/{tag}/phones/{phone}/countries/{country}``: 200 and true; 404 if none."""
    country, digits = request.path_params["country"].upper(), phone_digits(request.path_params["phone"])
    with sandbox.store.changing() as connection:
        deleted = _delete(
            connection, request, "countryId = ? AND digits = ? AND digits <> ''", country, digits
        )
    if not deleted:
        raise ApiError(404)
    return json_response(True)


def dnc_tags(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET dncTags``."""
    account = request.path_params["account"]
    with sandbox.store.reading() as connection:
        return json_response([_tag(account, *tag) for tag in list_tags(connection, account).items()])


def add_dnc_tag(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST dncTags``: 201 and the tag; 400 if the label already exists (assumed)."""
    account = request.path_params["account"]
    try:
        label = parse_text(request.json_object().get("dncTagLabel")).strip()
    except ValueError as error:
        raise validation_error([InvalidValue("dncTagLabel", str(error))]) from error
    with sandbox.store.changing() as connection:
        if not label or label in list_tags(connection, account).values():
            raise validation_error([InvalidValue.of("dncTagLabel", "must be new, and not empty", label)])
        tag = connection.execute(
            "INSERT INTO dnc_tags (accountId, dncTagLabel) VALUES (?, ?)", (account, label)
        ).lastrowid
    return json_response(_tag(account, int(tag or 0), label), 201)


def delete_dnc_tag(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``DELETE dncTags/{tag}``: 200 and true; deletes its entries as well. GLOBAL is 400 (both assumed)."""
    with sandbox.store.changing() as connection:
        tag = _tag_in_path(connection, request)
        if tag == GLOBAL_ID:
            raise ApiError(400, "The tag GLOBAL cannot be deleted")
        _delete(connection, request, "1")
        connection.execute("DELETE FROM dnc_tags WHERE dncTagId = ?", (tag,))
    return json_response(True)


def _parse(body: Mapping[str, object]) -> dict[str, str]:
    """Parse an entry in the layout of any guide; null and blank values count as missing."""
    fields, invalid = {}, []
    for name, paths in _FIELD_PATHS.items():
        values = (_value_at(body, path) for path in paths)
        value = next((value for value in values if value is not None and value != ""), None)
        if value is None:
            continue
        try:
            fields[name] = parse_text(value).strip()
        except ValueError as error:
            invalid.append(InvalidValue.of(name, error, value))
    if invalid:
        raise validation_error(invalid)
    return {name: text for name, text in fields.items() if text}


def _value_at(body: Mapping[str, object], path: tuple[str, ...]) -> object:
    """Return the value at a path inside nested objects; None if it is missing."""
    value: object = body
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _parse_phone(text: str, country: str) -> str:
    """Parse one phone number; an empty text stays empty."""
    if "|" in text:
        raise ValueError("phone must be one number")
    return parse_phones(
        text, "phone", parse_us_phone if country == DEFAULT_COUNTRY else parse_international_phone
    )


def _parse_defaults(
    sandbox: SandboxState, request: ApiRequest, connection: sqlite3.Connection, fields: Mapping[str, str]
) -> EntryDefaults:
    """Parse tag and country of new entries; an unknown tag is 400 (assumed)."""
    account = request.path_params["account"]
    id_or_label = fields.get("tag", str(GLOBAL_ID))
    tag = _tag_id(connection, account, id_or_label)
    if tag is None:
        raise validation_error([InvalidValue.of("dncTagId", "is not a tag of the account", id_or_label)])
    return EntryDefaults(
        account,
        credentials.USER_NAME,
        sandbox.clock.milliseconds(),
        tag,
        fields.get("country", DEFAULT_COUNTRY).upper(),
    )


def _tag_id(connection: sqlite3.Connection, account: str, id_or_label: str) -> int | None:
    """Return the id of a tag that is named by id or label; None if it is unknown."""
    tags = list_tags(connection, account)
    by_id_or_label = {label: tag for tag, label in tags.items()} | {str(tag): tag for tag in tags}
    return by_id_or_label.get(id_or_label)


def _tag_in_path(connection: sqlite3.Connection, request: ApiRequest) -> int:
    """Return the id of the tag in the path, or raise 404."""
    tag = _tag_id(connection, request.path_params["account"], request.path_params["tag"])
    if tag is None:
        raise ApiError(404)
    return tag


def _delete(connection: sqlite3.Connection, request: ApiRequest, where: str, *values: object) -> int:
    """Delete entries of the tag in the path; return their number."""
    return connection.execute(
        f"DELETE FROM dnc_entries WHERE accountId = ? AND dncTagId = ? AND {where}",
        (request.path_params["account"], _tag_in_path(connection, request), *values),
    ).rowcount


def _find(sandbox: SandboxState, request: ApiRequest, fields: Mapping[str, str]) -> list[Row]:
    """Return a page of the matching entries, in the order they were added (assumed)."""
    account = request.path_params["account"]
    page = parse_page(request, sandbox.settings)
    with sandbox.store.reading() as connection:
        tags = list_tags(connection, account)
        filters: dict[str, object] = {"accountId": account}
        if "tag" in fields:
            filters["dncTagId"] = _tag_id(connection, account, fields["tag"])
        if "phone" in fields:
            filters["digits"] = phone_digits(fields["phone"]) or None
        if "country" in fields:
            filters["countryId"] = fields["country"].upper()
        filters.update({name: fields[name] for name in ("externId", "reason") if name in fields})
        where = " AND ".join(f"{name} = ?" for name in filters)
        found = connection.execute(
            f"SELECT * FROM dnc_entries WHERE {where} ORDER BY dncEntryId LIMIT ? OFFSET ?",
            (*filters.values(), page.limit, page.offset),
        )
        return [_entry(record, tags) for record in found]


def _entry(record: sqlite3.Row, tags: Mapping[int, str]) -> Row:
    """Serialize an entry. Source: guide's sample; there, ``externId`` is in the request only."""
    return {
        "phone": record["phone"] or None,
        "tag": tags[record["dncTagId"]],
        "countryCode": {"id": record["countryId"], "description": None},
        "addedDate": format_datetime(record["addedDate"]),
        "addedBy": record["addedBy"],
        "reason": record["reason"],
        "dncTagId": record["dncTagId"],
        "externId": record["externId"] or None,
    }


def _tag(account: str, tag: int, label: str) -> Row:
    """Serialize a tag. Source of the fields: contract of the whole service, DncTag."""
    return {"accountId": account, "dncTagId": tag, "dncTagLabel": label}
