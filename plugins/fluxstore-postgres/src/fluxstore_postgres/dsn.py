"""From settings to what libpq is given: TLS by default, timeouts, and nothing secret in words."""

from __future__ import annotations

import ipaddress
import math
import os
import ssl
from collections.abc import Mapping
from pathlib import Path

import attrs
from psycopg import ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fluxstore.errors import ConfigError
from fluxstore_postgres.settings import Settings

UNVERIFIED = frozenset({"disable", "allow", "prefer"})
CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
LIBPQ_DEFAULT = "prefer"
KEEPALIVES = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}


@attrs.frozen
class Target:
    """A database: ``conninfo`` for libpq (it may hold a password), ``words`` for people."""

    conninfo: str = attrs.field(repr=False)
    words: str
    is_local: bool
    sslmode: str


def target_of(settings: Settings, backend: str, *, conninfo: str | None = None) -> Target:
    """Return where *settings* lead; *conninfo* stands for the DSN of an embedded server.

    Raises ConfigError for what libpq cannot read, and for a host that is not local without TLS.
    """
    given = _parsed(settings.dsn.reveal() if conninfo is None else conninfo, backend)
    known = _defaults() | given
    asked = given.get("sslmode") or os.environ.get("PGSSLMODE", "")
    is_local = "service" not in given and all(map(_is_local, _hosts(known)))
    sslmode = _sslmode(settings, asked, known, is_local=is_local)
    if sslmode in UNVERIFIED and not is_local and settings.tls is None:
        _refuse_clear_text(sslmode, _words(known), backend)
    extra = {
        "sslmode": sslmode,
        "connect_timeout": str(max(2, math.ceil(settings.connect_timeout.total_seconds()))),
        "client_encoding": "UTF8",
    }
    if sslmode.startswith("verify") and "sslrootcert" not in known:
        extra["sslrootcert"] = _root_certificates()
    if not is_local:
        extra |= KEEPALIVES
    return Target(make_conninfo("", **(given | extra)), _words(known), is_local, sslmode)


def _parsed(dsn: str, backend: str) -> dict[str, str]:
    try:
        parsed = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
        if not parsed.get("port", "1").replace(",", "").isdecimal():
            raise ProgrammingError("port")
        return parsed
    except (ProgrammingError, UnicodeError):
        # libpq quotes what it could not read, a password perhaps: its words are not passed on.
        raise ConfigError(
            "this is no connection string of PostgreSQL",
            key=f"backends.{backend}.dsn",
            next_step='write "postgresql://user@host/database", "host=… dbname=…" or "embedded"',
        ) from None


def _defaults() -> dict[str, str]:
    """Return what ``PG*`` variables and libpq's service file say."""
    options = pq.Conninfo.get_defaults()
    return {one.keyword.decode(): one.val.decode() for one in options if one.val}


def _hosts(known: Mapping[str, str]) -> list[str]:
    named = known.get("hostaddr") or known.get("host") or ""
    return [host.strip() for host in named.split(",")]


def _is_local(host: str) -> bool:
    if host in {"", "localhost"} or host.startswith(("/", "@")):
        return True  # no host: a Unix socket
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _sslmode(settings: Settings, asked: str, known: Mapping[str, str], *, is_local: bool) -> str:
    """Return the mode that the TOML says, else the one that was asked for, else the safe one."""
    if settings.tls is not None:
        return settings.tls
    if is_local or asked:
        return asked or known["sslmode"]
    return known["sslmode"] if known["sslmode"] != LIBPQ_DEFAULT else "verify-full"


def _refuse_clear_text(mode: str, words: str, backend: str) -> None:
    raise ConfigError(
        f"sslmode={mode} would send passwords and records to {words} in the clear",
        key=f"backends.{backend}.dsn",
        next_step=f'leave sslmode out (verify-full), or accept it with tls = "{mode}"',
    )


def _root_certificates() -> str:
    own = Path.home() / ".postgresql" / "root.crt"
    paths = ssl.get_default_verify_paths()
    offered = [str(own), paths.cafile, *CERTIFICATES]
    return next((path for path in offered if path and Path(path).is_file()), "system")


def _words(known: Mapping[str, str]) -> str:
    host = known.get("host") or known.get("hostaddr") or "a local socket"
    port = f":{known['port']}" if known.get("port") and not host.startswith("/") else ""
    return f"{known.get('dbname') or known.get('user', '')} at {host}{port}"
