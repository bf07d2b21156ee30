"""A certificate says what was compared, and notices every byte that changed since."""

from __future__ import annotations

import json
import stat
import sys

import pytest
from moving import ENTITIES, Note, User, fill, options, pile, reference

from fluxstore.errors import ConfigError, UsageError, ValidationFailed
from fluxstore.migration.certificate import certify, verify_certificate
from fluxstore.migration.migrate import migrate
from fluxstore.migration.verify import validate


def validated(*extra: object, **chosen):
    source, target = pile(User(id="u"), *(Note(id=n) for n in range(10))), reference()
    migrate(source, target, ENTITIES)
    fill(target, *extra)
    return validate(source, target, ENTITIES, options(**chosen))


@pytest.fixture
def issued(tmp_path):
    path, key = tmp_path / "certificate.json", tmp_path / ".fluxstore" / "certificate.key"
    return path, key, certify(validated(), path, key_file=key)


def test_it_holds_counts_roots_versions_and_times(issued):
    path, _, made = issued
    found = verify_certificate(path)

    assert found == made
    assert found.equal
    content = json.loads(path.read_text())
    notes = content["entities"]["notes"]
    assert (10, 10, 10) == (notes["equal"], *(notes[side]["records"] for side in SIDES))
    assert notes["source"]["root"] == notes["target"]["root"]
    assert ("1.0", "reference") == (content["target"]["version"], content["target"]["adapter"])
    assert content["started"] < content["ended"]
    assert {"epoch", "fluxstore", "migration"} <= set(content)


SIDES = ("source", "target")


def test_differences_are_certified_as_such(tmp_path):
    path = tmp_path / "c.json"
    certify(validated(User(id="extra")), path, key_file=tmp_path / "key")
    found = verify_certificate(path)

    assert not found.equal
    assert 1 == found.content["entities"]["users"]["orphan"]


def test_any_changed_byte_is_noticed(issued, tmp_path):
    path, _, _ = issued
    data = path.read_bytes()
    changed = tmp_path / "changed.json"
    for at in range(0, len(data), 7):
        for flip in (0x01, 0x20):
            changed.write_bytes(data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])
            with pytest.raises(ValidationFailed, match="was changed"):
                verify_certificate(changed)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"\n",
        lambda data: data[:-1],
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b'  "epoch": 0,\n', b'  "epoch": 0,\n  "epoch": 0,\n'),
        lambda data: json.dumps(json.loads(data)).encode(),
        lambda data: b"",
        lambda data: b"[]",
        lambda data: b"[" * 100_000,
        lambda data: b'{"signature": {"public_key": "00", "value": ""}}',
        lambda data: b'{"signature": 5}',
    ],
)
def test_any_other_change_is_noticed(issued, change):
    path, _, _ = issued
    path.write_bytes(change(path.read_bytes()))

    with pytest.raises(ValidationFailed) as raised:
        verify_certificate(path)
    assert 5 == raised.value.exit_code


def test_one_that_another_key_signed_is_told_apart(issued, tmp_path):
    _, _, made = issued
    forged = tmp_path / "forged.json"
    other = certify(validated(), forged, key_file=tmp_path / "other.key")

    assert other.fingerprint != made.fingerprint
    assert verify_certificate(forged) == other
    with pytest.raises(ValidationFailed, match="another key"):
        verify_certificate(forged, fingerprint=made.fingerprint)


def test_the_key_is_made_once_and_only_its_owner_reads_it(issued, tmp_path):
    _, key, made = issued
    again = certify(validated(), tmp_path / "again.json", key_file=key)

    assert made.fingerprint == again.fingerprint
    assert 0o600 == stat.S_IMODE(key.stat().st_mode)
    assert ["certificate.key"] == [one.name for one in key.parent.iterdir()]


def test_a_key_that_is_none_is_refused(tmp_path):
    key = tmp_path / "key"
    key.write_text("nothing")
    with pytest.raises(ConfigError, match="is no key to sign with"):
        certify(validated(), tmp_path / "c.json", key_file=key)


def test_a_sample_is_not_certified(tmp_path):
    with pytest.raises(UsageError, match="sample"):
        certify(validated(sample=0.5), tmp_path / "c.json", key_file=tmp_path / "key")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"none\.json cannot be read"):
        verify_certificate(tmp_path / "none.json")


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ConfigError, match=r"fluxstore-core\[certificates\]"):
        certify(validated(), tmp_path / "c.json", key_file=tmp_path / "key")
