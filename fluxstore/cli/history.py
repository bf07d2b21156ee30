"""What commands leave beside the configuration, under ``.fluxstore``, for ``status`` to find."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from fluxstore.cli.files import write_whole

FOLDER = ".fluxstore"


@attrs.frozen
class Event:
    """The last run of one command over one way, in short."""

    command: str
    migration: str
    source: str
    target: str
    ended: datetime
    exit_code: int
    words: str
    """What came of it."""
    certificate: str | None = None

    @property
    def age_seconds(self) -> float:
        """How long ago it ended."""
        return max((datetime.now(UTC) - self.ended).total_seconds(), 0.0)

    def to_json(self) -> dict[str, Any]:
        """Return the event as JSON values."""
        return {**attrs.asdict(self), "ended": self.ended.isoformat()}


def key_file(folder: Path) -> Path:
    """Return where the key that signs certificates is."""
    return folder / FOLDER / "signing_key.pem"


def certificate_path(folder: Path, migration: str, ended: datetime) -> Path:
    """Return where the certificate of a validation goes."""
    moment = ended.strftime("%Y%m%dT%H%M%SZ")
    return folder / FOLDER / "certificates" / f"{migration}-{moment}.json"


def event(command: str, report: Any, words: str, certificate: Path | None = None) -> Event:
    """Return the event of a report of the engine that ended just now."""
    return Event(
        command=command,
        migration=report.migration,
        source=report.source["backend"],
        target=report.target["backend"],
        ended=datetime.now(UTC),
        exit_code=report.exit_code,
        words=words,
        certificate=str(certificate) if certificate else None,
    )


def remember(folder: Path, made: Event) -> None:
    """Keep an event; the one of the same command and way before it is forgotten."""
    path = folder / FOLDER / "history" / f"{made.migration}.{made.command}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(made.to_json(), indent=2) + "\n")


def events(folder: Path) -> list[Event]:
    """Return what is remembered, the newest first; a spoilt file is passed over."""
    found = [_read(path) for path in sorted((folder / FOLDER / "history").glob("*.json"))]
    return sorted((one for one in found if one), key=lambda one: one.ended, reverse=True)


def _read(path: Path) -> Event | None:
    try:
        facts: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return Event(**{**facts, "ended": datetime.fromisoformat(facts["ended"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
