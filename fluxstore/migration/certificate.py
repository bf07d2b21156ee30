"""A validation's outcome as a signed file that can be checked later, by anyone, offline.

The file is JSON in one canonical spelling (sorted names, two spaces, ASCII), signed with Ed25519
over that spelling of everything but ``signature``. Any changed byte is noticed. Who signed is told
by the key's fingerprint: compare it with the one that the command printed.
"""

from __future__ import annotations

import hashlib
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from fluxstore.errors import ConfigError, UsageError, ValidationFailed, shortened
from fluxstore.migration.report import Validated, ValidationReport, to_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMAT = 1
KIND = "fluxstore certificate"
ALGORITHM = "Ed25519"
ROOT = (
    "SHA-256 over the sorted (XXH3-128 of the key's text, SHA-256 of the record's canonical bytes)"
)
_LARGEST_BYTES = 16 * 1024 * 1024
_CHANGED = "was changed after it was signed, or is no certificate"


@attrs.frozen
class Certificate:
    """A certificate whose signature holds."""

    content: dict[str, Any]
    """Everything that was signed."""
    fingerprint: str
    """SHA-256 of the public key, in hexadecimal: who signed."""

    @property
    def equal(self) -> bool:
        """Whether the backends were equal."""
        return bool(self.content["verdict"] == "equal")


def certify(report: ValidationReport, path: Path, *, key_file: Path) -> Certificate:
    """Write the certificate of *report* to *path*, signed with the key in *key_file*.

    The key is made where it is not there yet. ``UsageError`` for a validation of a sample only,
    ``ConfigError`` where the package ``cryptography`` is not installed or the key cannot be used.
    """
    if report.sample is not None:
        raise UsageError(
            "a validation of a sample proves nothing", next_step="validate without --sample"
        )
    key = _private_key(key_file)
    content = _content(report)
    public = key.public_key().public_bytes_raw()
    signature = key.sign(_spelled(content))
    path.write_bytes(_spelled(_signed(content, public, signature)))
    return Certificate(content, _fingerprint(public))


def verify_certificate(path: Path, *, fingerprint: str | None = None) -> Certificate:
    """Return the certificate in *path*; ``ValidationFailed`` where one byte of it was changed.

    With *fingerprint*, one that another key has signed is refused as well.
    """
    data = _read(path)
    try:
        content = json.loads(data)
        signature = content.pop("signature")
        public, value = bytes.fromhex(signature["public_key"]), bytes.fromhex(signature["value"])
        intact = data == _spelled(_signed(content, public, value))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        intact, content, public, value = False, {}, b"", b""
    if not intact or not _holds(public, value, _spelled(content)):
        raise ValidationFailed(f"{path} {_CHANGED}", next_step="validate again for a new one")
    if fingerprint is not None and fingerprint.lower() != _fingerprint(public):
        raise ValidationFailed(
            f"{path} was signed with another key: {_fingerprint(public)}",
            next_step="ask who issued it for their fingerprint",
        )
    return Certificate(content, _fingerprint(public))


def _content(report: ValidationReport) -> dict[str, Any]:
    roots = all(one.source_root == one.target_root for one in report.entities)
    equal = report.exit_code == 0 and roots
    content = {
        "kind": KIND,
        "format": FORMAT,
        "verdict": "equal" if equal else "different",
        "migration": report.migration,
        "epoch": report.epoch,
        "live": report.live,
        "fluxstore": version("fluxstore-core"),
        "source": report.source,
        "target": report.target,
        "started": report.started,
        "ended": report.ended,
        "root": ROOT,
        "accuracy": report.accuracy,
        "entities": {one.entity: _entity(one) for one in report.entities},
    }
    made: dict[str, Any] = to_json(content)
    return made


def _entity(one: Validated) -> dict[str, Any]:
    return {
        "source": {
            "place": one.source_place,
            "records": one.source_records,
            "root": one.source_root,
        },
        "target": {
            "place": one.target_place,
            "records": one.target_records,
            "root": one.target_root,
        },
        "equal": one.equal,
        "missing": one.missing,
        "orphan": one.orphan,
        "diverged": one.diverged,
        "ahead": one.ahead,
        "lagging": one.lagging,
        "undecodable": one.undecodable,
        "quarantined": one.quarantined,
        "refused": None if one.refused is None else str(one.refused),
        "accuracy": one.accuracy,
    }


def _signed(content: dict[str, Any], public: bytes, signature: bytes) -> dict[str, Any]:
    return {
        **content,
        "signature": {
            "algorithm": ALGORITHM,
            "public_key": public.hex(),
            "fingerprint": _fingerprint(public),
            "value": signature.hex(),
        },
    }


def _spelled(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, indent=2, ensure_ascii=True).encode() + b"\n"


def _fingerprint(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ValidationFailed(f"{path} {_CHANGED}")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", next_step="name a certificate's file"
        ) from error


def _holds(public: bytes, signature: bytes, content: bytes) -> bool:
    _need_cryptography()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _private_key(path: Path) -> Ed25519PrivateKey:
    _need_cryptography()
    if not path.exists():
        _make_key(path)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"is no key to sign with: {shortened(str(error), 80)}",
            file=str(path),
            next_step="move it away; a new one is made",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(
            "is a key of another kind than Ed25519",
            file=str(path),
            next_step="move it away; a new one is made",
        )
    return key


def _make_key(path: Path) -> None:
    """Make a key that only its owner can read; one that another process made first stays."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(made, path)  # whole or not at all, and never over another's
    except FileExistsError:
        pass
    finally:
        made.unlink()


def _need_cryptography() -> None:
    try:
        import cryptography  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise ConfigError(
            "certificates need the package cryptography",
            next_step="pip install 'fluxstore-core[certificates]'",
        ) from error
