"""Takes requests for do-not-call lists and tags. Source of paths and fields: guide; the contract lacks them.

What searches look for, and what uploads and deletions answer, is assumed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.api.leads.lead_fields import domestic, international, read_phones
from airflow_provider_engagevoice.sandbox.api.loader.multipart import file_of
from airflow_provider_engagevoice.sandbox.api.loader.tables import read_form, read_table
from airflow_provider_engagevoice.sandbox.http.endpoint import Call, answer
from airflow_provider_engagevoice.sandbox.http.errors import Invalid, Refusal, refused_values
from airflow_provider_engagevoice.sandbox.http.pagination import page_of
from airflow_provider_engagevoice.sandbox.http.parsing import read_text
from airflow_provider_engagevoice.sandbox.http.timestamps import print_moment
from airflow_provider_engagevoice.sandbox.state import credentials
from airflow_provider_engagevoice.sandbox.state.dnc import (
    DEFAULT_COUNTRY,
    GLOBAL_ID,
    Addition,
    Entry,
    add_entries,
    tags_of,
)
from airflow_provider_engagevoice.sandbox.state.phones import phone_digits
from airflow_provider_engagevoice.sandbox.state.sandbox import Service

Row = dict[str, object]

#: Where a value may stand in a body: the new place first, then that of older guides.
_PLACES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "phone": (("phone",),),
    "externId": (("externId",),),
    "reason": (("reason",),),
    "country": (("countryId",), ("countryCode", "id")),
    "tag": (("dncTagId",), ("dncTag", "dncTagId"), ("dncTag", "dncTagLabel"), ("tag",)),
}


def dnc_entries(service: Service, call: Call) -> Response:
    """``GET dncLists``."""
    return answer(_find(service, call, {}))


def search_dnc(service: Service, call: Call) -> Response:
    """``POST dncLists/advancedSearch``: by phone, externId, reason, country and tag, all of them together."""
    return answer(_find(service, call, _read(call.json_object())))


def add_dnc_entry(service: Service, call: Call) -> Response:
    """``POST dncLists``: 201 and the entry; one that is there already stays as it is (assumed)."""
    given = _read(call.json_object())
    if "phone" not in given and "externId" not in given:
        raise refused_values([Invalid("phone", "is missing")])
    with service.store.changing() as connection:
        addition = _addition(service, call, connection, given)
        try:
            phone = _read_phone(given.get("phone", ""), addition.country)
        except ValueError as error:
            raise Refusal(400, str(error), [Invalid.of("phone", error, given["phone"])]) from error
        entry = Entry(phone, given.get("externId", ""), given.get("reason"))
        add_entries(connection, addition, [entry])
        found = connection.execute(
            "SELECT * FROM dnc_entries WHERE accountId = ? AND dncTagId = ? AND countryId = ? AND digits = ?"
            " AND externId = ?",
            (addition.account, addition.tag, addition.country, phone_digits(phone), entry.extern_id),
        ).fetchone()
        return answer(_entry(found, tags_of(connection, addition.account)), 201)


def upload_dnc(service: Service, call: Call) -> Response:
    """``POST dncLists/uploadDncFile``: 200, how many entries are new, and the rows that are none.

    The file has a phone number in its first column, and may have an external id and a reason behind it.
    Query or body say ``dncTagId``, ``countryId`` and ``fileType``; without them it is GLOBAL, USA, COMMA.
    """
    fields, upload = file_of(call)
    given = _read({**fields, **call.query})
    pages = read_table(upload, read_form(call, fields, default="COMMA"))
    rows = [row for page in pages for row in page.rows]
    with service.store.changing() as connection:
        addition = _addition(service, call, connection, given)
        entries: list[Entry] = []
        rejected: list[Row] = []
        for row in rows:
            try:
                phone = _read_phone(row[0].strip(), addition.country)
            except ValueError as error:
                rejected.append({"message": str(error), "rowData": row})
            else:
                extern_id, reason = [*(value.strip() for value in row[1:3]), "", ""][:2]
                entries.append(Entry(phone, extern_id, reason or None))
        added = add_entries(connection, addition, entries)
    return answer({"dncUploadCount": added, "rejectedRows": rejected})


def delete_dnc_of_tag(service: Service, call: Call) -> Response:
    """``DELETE dncLists/tags/{tag}``: every entry of a tag goes; 200 and true."""
    with service.store.changing() as connection:
        _delete(connection, call, "1")
    return answer(True)


def delete_dnc_of_country(service: Service, call: Call) -> Response:
    """``DELETE dncLists/tags/{tag}/countries/{country}``: those of one country go; 200 and true."""
    with service.store.changing() as connection:
        _delete(connection, call, "countryId = ?", call.captured["country"].upper())
    return answer(True)


def delete_dnc_phone(service: Service, call: Call) -> Response:
    """``DELETE dncLists/tags/{tag}/phones/{phone}/countries/{country}``: 200 and true, or 404 without one."""
    country, digits = call.captured["country"].upper(), phone_digits(call.captured["phone"])
    with service.store.changing() as connection:
        deleted = _delete(connection, call, "countryId = ? AND digits = ? AND digits <> ''", country, digits)
    if not deleted:
        raise Refusal(404)
    return answer(True)


def dnc_tags(service: Service, call: Call) -> Response:
    """``GET dncTags``."""
    account = call.captured["account"]
    with service.store.reading() as connection:
        return answer([_tag(account, *tag) for tag in tags_of(connection, account).items()])


def add_dnc_tag(service: Service, call: Call) -> Response:
    """``POST dncTags``: 201 and the tag; a label that is there already is 400 (assumed)."""
    account = call.captured["account"]
    try:
        label = read_text(call.json_object().get("dncTagLabel")).strip()
    except ValueError as error:
        raise refused_values([Invalid("dncTagLabel", str(error))]) from error
    with service.store.changing() as connection:
        if not label or label in tags_of(connection, account).values():
            raise refused_values([Invalid.of("dncTagLabel", "must be new, and not empty", label)])
        tag = connection.execute(
            "INSERT INTO dnc_tags (accountId, dncTagLabel) VALUES (?, ?)", (account, label)
        ).lastrowid
    return answer(_tag(account, int(tag or 0), label), 201)


def delete_dnc_tag(service: Service, call: Call) -> Response:
    """``DELETE dncTags/{tag}``: 200 and true, and its entries go, too (assumed); GLOBAL is 400 (assumed)."""
    with service.store.changing() as connection:
        tag = _tag_in_path(connection, call)
        if tag == GLOBAL_ID:
            raise Refusal(400, "The tag GLOBAL cannot be deleted")
        _delete(connection, call, "1")
        connection.execute("DELETE FROM dnc_tags WHERE dncTagId = ?", (tag,))
    return answer(True)


def _read(body: Mapping[str, object]) -> dict[str, str]:
    """Read what a body says of an entry, in the form of any guide; null and blank count as missing."""
    given, invalid = {}, []
    for name, places in _PLACES.items():
        values = (_value_at(body, place) for place in places)
        value = next((value for value in values if value is not None and value != ""), None)
        if value is None:
            continue
        try:
            given[name] = read_text(value).strip()
        except ValueError as error:
            invalid.append(Invalid.of(name, error, value))
    if invalid:
        raise refused_values(invalid)
    return {name: text for name, text in given.items() if text}


def _value_at(body: Mapping[str, object], place: tuple[str, ...]) -> object:
    """Read a value inside objects; None where there is none."""
    value: object = body
    for name in place:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _read_phone(text: str, country: str) -> str:
    """Read one number; empty stays empty."""
    if "|" in text:
        raise ValueError("phone must be one number")
    return read_phones(text, "phone", domestic if country == DEFAULT_COUNTRY else international)


def _addition(
    service: Service, call: Call, connection: sqlite3.Connection, given: Mapping[str, str]
) -> Addition:
    """Read where new entries go; an unknown tag is 400 (assumed)."""
    account = call.captured["account"]
    word = given.get("tag", str(GLOBAL_ID))
    tag = _tag_id(connection, account, word)
    if tag is None:
        raise refused_values([Invalid.of("dncTagId", "is no tag of the account", word)])
    return Addition(
        account,
        credentials.USER_NAME,
        service.clock.milliseconds(),
        tag,
        given.get("country", DEFAULT_COUNTRY).upper(),
    )


def _tag_id(connection: sqlite3.Connection, account: str, word: str) -> int | None:
    """Find a tag by its id or label."""
    tags = tags_of(connection, account)
    by_word = {label: tag for tag, label in tags.items()} | {str(tag): tag for tag in tags}
    return by_word.get(word)


def _tag_in_path(connection: sqlite3.Connection, call: Call) -> int:
    """Return the tag of the path, or refuse with 404."""
    tag = _tag_id(connection, call.captured["account"], call.captured["tag"])
    if tag is None:
        raise Refusal(404)
    return tag


def _delete(connection: sqlite3.Connection, call: Call, where: str, *values: object) -> int:
    """Delete entries of the tag of the path; return how many there were."""
    return connection.execute(
        f"DELETE FROM dnc_entries WHERE accountId = ? AND dncTagId = ? AND {where}",
        (call.captured["account"], _tag_in_path(connection, call), *values),
    ).rowcount


def _find(service: Service, call: Call, given: Mapping[str, str]) -> list[Row]:
    """Read a page of the entries that fit, in the order they were added (assumed)."""
    account = call.captured["account"]
    page = page_of(call, service.settings)
    with service.store.reading() as connection:
        tags = tags_of(connection, account)
        filters: dict[str, object] = {"accountId": account}
        if "tag" in given:
            filters["dncTagId"] = _tag_id(connection, account, given["tag"])
        if "phone" in given:
            filters["digits"] = phone_digits(given["phone"]) or None
        if "country" in given:
            filters["countryId"] = given["country"].upper()
        filters.update({name: given[name] for name in ("externId", "reason") if name in given})
        where = " AND ".join(f"{name} = ?" for name in filters)
        found = connection.execute(
            f"SELECT * FROM dnc_entries WHERE {where} ORDER BY dncEntryId LIMIT ? OFFSET ?",
            (*filters.values(), page.limit, page.offset),
        )
        return [_entry(record, tags) for record in found]


def _entry(record: sqlite3.Row, tags: Mapping[int, str]) -> Row:
    """Write an entry. Source: guide's sample; ``externId`` is in its request only."""
    return {
        "phone": record["phone"] or None,
        "tag": tags[record["dncTagId"]],
        "countryCode": {"id": record["countryId"], "description": None},
        "addedDate": print_moment(record["addedDate"]),
        "addedBy": record["addedBy"],
        "reason": record["reason"],
        "dncTagId": record["dncTagId"],
        "externId": record["externId"] or None,
    }


def _tag(account: str, tag: int, label: str) -> Row:
    """Write a tag. Source of the fields: contract of the whole service, DncTag."""
    return {"accountId": account, "dncTagId": tag, "dncTagLabel": label}
