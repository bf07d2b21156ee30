"""What commands leave beside the configuration, under ``.fluxstore``, for ``status`` to find."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from fluxstore.cli.files import write_whole

if TYPE_CHECKING:
    from fluxstore.migration.report import ValidationReport

FOLDER = ".fluxstore"


@attrs.frozen
class Validation:
    """The last validation of a migration, in short."""

    migration: str
    source: str
    target: str
    ended: datetime
    exit_code: int
    differences: int
    records: int
    sample: float | None
    certificate: str | None

    def age_seconds(self) -> float:
        """Return how long ago it ended."""
        return (datetime.now(UTC) - self.ended).total_seconds()


def key_file(folder: Path) -> Path:
    """Return where the key that signs certificates is."""
    return folder / FOLDER / "signing_key.pem"


def certificate_path(folder: Path, report: ValidationReport) -> Path:
    """Return where the certificate of *report* goes."""
    moment = report.ended.strftime("%Y%m%dT%H%M%SZ")
    return folder / FOLDER / "certificates" / f"{report.migration}-{moment}.json"


def remember(folder: Path, report: ValidationReport, certificate: Path | None) -> None:
    """Keep the outcome of a validation; the one before it is forgotten."""
    made = Validation(
        migration=report.migration,
        source=report.source["backend"],
        target=report.target["backend"],
        ended=report.ended,
        exit_code=report.exit_code,
        differences=report.difference_count,
        records=sum(one.union for one in report.entities),
        sample=report.sample,
        certificate=str(certificate) if certificate else None,
    )
    path = folder / FOLDER / "validations" / f"{report.migration}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {**attrs.asdict(made), "ended": made.ended.isoformat()}
    write_whole(path, json.dumps(facts, indent=2) + "\n")


def validations(folder: Path) -> list[Validation]:
    """Return the last validation of every migration, the newest first; a spoilt file is none."""
    found = [_read(path) for path in sorted((folder / FOLDER / "validations").glob("*.json"))]
    return sorted((one for one in found if one), key=lambda one: one.ended, reverse=True)


def _read(path: Path) -> Validation | None:
    try:
        facts: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return Validation(**{**facts, "ended": datetime.fromisoformat(facts["ended"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
