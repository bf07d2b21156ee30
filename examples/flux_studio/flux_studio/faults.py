"""Bad records of every kind worth refusing, and odd ones that must not be refused.

A case spoils one good record. ``CASES`` is the whole list: each row says what a reader of the
folder should make of it (``quarantined`` or ``accepted``) and for which reason, in the words of
``fluxstore.Reason``. A case's name is its class: J… JSON, V… values, I… ids.
"""

from collections.abc import Callable

import msgspec
from attrs import frozen

from flux_studio.shapes import Record

Spoil = Callable[[Record], list[bytes]]
_MEBIBYTE = 1 << 20
_encode = msgspec.json.encode


@frozen
class Case:
    """One way to spoil a record of *kind*, in *field*; at most *most* times in a folder."""

    name: str
    kind: str
    field: str | None
    outcome: str
    reason: str
    spoil: Spoil
    most: int | None = None


def _value(field: str, text: str) -> Spoil:
    """The record with *text*, JSON or nearly so, as the value of *field*."""
    return lambda record: [_encode({**record, field: msgspec.Raw(text.encode())})]


def _without(field: str) -> Spoil:
    return lambda record: [_encode({name: record[name] for name in record if name != field})]


def _twice(field: str) -> Spoil:
    """The record with the key *field* once more at its end."""
    return lambda record: [_encode(record)[:-1] + f',"{field}":"again"}}'.encode()]


def _item(text: str) -> Spoil:
    """Not a record at all."""
    return lambda _: [text.encode()]


def _same(record: Record) -> list[bytes]:
    return [_encode(record)] * 2


def _differing(field: str) -> Spoil:
    return lambda record: [_encode(record), _encode({**record, field: "once more"})]


def _ids(*ids: str) -> Spoil:
    """One record for each id, given as JSON."""
    return lambda record: [_encode({**record, "id": msgspec.Raw(text.encode())}) for text in ids]


def _bad(name: str, kind: str, field: str | None, reason: str, spoil: Spoil) -> Case:
    return Case(name, kind, field, "quarantined", reason, spoil)


def _odd(name: str, kind: str, field: str, spoil: Spoil) -> Case:
    return Case(name, kind, field, "accepted", "", spoil, most=1)


def _bad_value(name: str, kind: str, field: str, text: str, reason: str) -> Case:
    return _bad(name, kind, field, reason, _value(field, text))


_DIGITS = "9" * 5000
_DEEP = '{"deep":' + "[" * 65 + "]" * 65 + "}"
_FLOATS = '{"floats":[0.1,1e22,1.7976931348623157e308,5e-324,-0.0,9007199254740993]}'
_CLASSES = '{"py/object":"os.system","__class__":"x","__proto__":{"admin":true}}'

CASES: tuple[Case, ...] = (
    _bad_value("J11", "projects", "progress", "NaN", "type"),
    _bad_value("J11", "tasks", "estimatedHours", "-Infinity", "not_finite"),
    _bad_value("J12", "messages", "reference", "1e400", "not_finite"),
    _bad_value("J12", "files", "size", "1e400", "type"),
    _bad_value("J13", "projects", "progress", _DIGITS, "range"),
    _bad_value("J13", "messages", "reference", _DIGITS, "range"),
    _bad("J16", "tasks", "title", "duplicate_name", _twice("title")),
    _bad("J16", "users", "email", "duplicate_name", _twice("email")),
    _bad("J17", "tasks", "id", "duplicate_key", _same),
    _bad("J17", "users", "id", "duplicate_key", _differing("name")),
    _bad("J17", "members", "userId", "duplicate_key", _same),
    _bad("J18", "users", None, "type", _item("5")),
    _bad("J18", "projects", None, "type", _item("null")),
    _bad("J18", "tasks", None, "type", _item('"x"')),
    _bad_value("J20", "users", "id", "null", "type"),
    _bad_value("J20", "tasks", "id", "true", "type"),
    _bad_value("J20", "projects", "id", "1.0", "type"),
    _bad_value("J20", "activities", "id", "{}", "type"),
    _bad("J22", "tasks", "title", "missing", _without("title")),
    _bad("J22", "users", "email", "missing", _without("email")),
    _bad("J22", "members", "userId", "missing", _without("userId")),
    _bad("J22", "messages", "channelId", "missing", _without("channelId")),
    _bad_value("J23", "projects", "progress", '"12"', "type"),
    _bad_value("J23", "channels", "isArchived", "1", "type"),
    _bad_value("J23", "teams", "name", "7", "type"),
    _bad_value("V01", "tasks", "title", r'"a\u0000b"', "nul"),
    _bad_value("V01", "projects", "channelMetadata", r'{"a":["a\u0000b"]}', "nul"),
    _bad_value("V11", "tasks", "dueDate", '"2024-01-01T10:00:00"', "naive"),
    _bad_value("V14", "tasks", "dueDate", '"0001-01-01T00:00:00+14:00"', "range"),
    _bad_value("V16", "milestones", "dueDate", '"2024-01-01T24:00:00Z"', "type"),
    _bad_value("V18", "tasks", "status", '"done"', "choice"),
    _bad_value("V18", "users", "userType", '"robot"', "choice"),
    _bad_value("V18", "members", "role", '"captain"', "choice"),
    _bad_value("V18", "milestones", "status", '"someday"', "choice"),
    Case(
        "V25",
        "tasks",
        "description",
        "quarantined",
        "size",
        lambda record: [_encode({**record, "description": "x" * (_MEBIBYTE + 1)})],
        most=2,
    ),
    _bad_value("V30", "projects", "channelMetadata", _DEEP, "depth"),
    _bad_value("check", "projects", "progress", "101", "range"),
    _bad_value("check", "users", "email", '"no address"', "pattern"),
    _bad_value("reference", "tasks", "assignedTo", '"nobody"', "reference"),
    _bad_value("reference", "messages", "channelId", '"nowhere"', "reference"),
    _bad_value("reference", "activities", "userId", '"nobody"', "reference"),
    _bad_value("I03", "milestones", "id", '""', "key"),
    _bad_value("I04", "tasks", "id", r'"a\u0000b"', "nul"),
    _bad_value("I14", "tasks", "id", r'"\ud800"', "surrogate"),
    _odd("I01", "tasks", "id", _ids('"../../etc/passwd"', '"/tmp/x"', r'"a/b"', r'"a\\b"')),
    _odd("I03", "tasks", "id", _ids('"."', '".."')),
    _odd("I06", "tasks", "id", _ids('"CON"', '"nul"', '"a."', '"a "')),
    _odd("I07", "milestones", "id", _ids('"A"', '"a"')),
    _odd("I08", "milestones", "id", _ids(r'"\u00e9"', r'"e\u0301"')),
    _odd("I11", "tasks", "id", _ids('"-rf"', '"--help"', '"~"', '"$HOME"', '"`id`"', '";ls"')),
    _odd("I12", "tasks", "id", _ids(r'"a\nb"', r'"\u001b[31m"', r'"\u202e"')),
    _odd("I17", "tasks", "id", _ids('"null"', '"undefined"', '"NaN"', '"true"')),
    _odd("J21", "tasks", "undeclared", _value("undeclared", '{"kept":[null]}')),
    _odd("J26", "projects", "channelMetadata", _value("channelMetadata", _CLASSES)),
    _odd("V03", "tasks", "title", _value("title", r'"\ufeff\ufffe\u202e\u200b"')),
    _odd("V08", "projects", "channelMetadata", _value("channelMetadata", _FLOATS)),
    _odd("V14", "tasks", "dueDate", _value("dueDate", '"9999-12-31T23:59:59.999999Z"')),
)
