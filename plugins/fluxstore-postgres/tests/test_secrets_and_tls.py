"""TLS by default, verified by a local authority; and no secret in any word that leaves us."""

from __future__ import annotations

import logging
import pickle
import secrets
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fluxstore.entity import entity_of
from fluxstore.errors import AccessError, ConfigError, FluxstoreError
from fluxstore.settings import Secret
from fluxstore.testing.entities import Album
from fluxstore_postgres.dsn import target_of
from fluxstore_postgres.embedded import EmbeddedServer
from fluxstore_postgres.settings import Settings

pytestmark = pytest.mark.postgres
SYSTEM_POSTGRES = Path("/usr/lib/postgresql/15/bin")
with_tls = pytest.mark.skipif(
    not SYSTEM_POSTGRES.is_dir(), reason="the embedded PostgreSQL has no TLS; needs Debian's 15"
)
PASSWORD = "correct-horse-7"
AWAY = "db.example.org"


def settings(dsn: str, **more: Any) -> Settings:
    return Settings(dsn=Secret(dsn), **more)


# which mode is asked for


@pytest.fixture(autouse=True)
def _no_pg_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGSSLMODE", "PGSERVICE", "PGPASSWORD", "PGHOSTADDR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://app@{AWAY}/x",
        f"host={AWAY} dbname=x",
        "host=10.1.2.3",
        f"host=localhost,{AWAY}",
        "service=prod",
        "hostaddr=192.0.2.1 host=localhost",
    ],
)
def test_regression_37_a_host_that_is_not_local_is_verified(dsn: str) -> None:
    target = target_of(settings(dsn), "pg")

    assert target.sslmode == "verify-full"
    assert "sslmode=verify-full" in target.conninfo
    assert "sslrootcert=" in target.conninfo


@pytest.mark.parametrize(
    "dsn", ["", "dbname=x", "host=/tmp", "host=localhost", "host=127.0.0.1", "host=::1"]
)
def test_a_local_host_needs_no_certificate(dsn: str) -> None:
    assert target_of(settings(dsn), "pg").sslmode == "prefer"


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
def test_clear_text_to_another_host_is_refused_unless_the_toml_says_so(mode: str) -> None:
    dsn = f"host={AWAY} sslmode={mode}"

    with pytest.raises(ConfigError, match=rf'sslmode={mode}.*tls = "{mode}"') as caught:
        target_of(settings(dsn), "pg")

    assert caught.value.exit_code == 3
    assert target_of(settings(dsn, tls=mode), "pg").sslmode == mode


def test_the_variable_counts_like_the_dsn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "disable")

    with pytest.raises(ConfigError, match="sslmode=disable"):
        target_of(settings(f"host={AWAY}"), "pg")


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_an_encrypting_mode_of_the_dsn_is_kept(mode: str) -> None:
    assert target_of(settings(f"host={AWAY} sslmode={mode}"), "pg").sslmode == mode


def test_the_variables_of_libpq_lead_to_the_server(
    postgres_dsn: str, open_adapter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(postgres_dsn)
    for name in ("host", "port", "user"):
        monkeypatch.setenv(f"PG{name.upper()}", str(parts[name]))
    monkeypatch.setenv("PGDATABASE", str(parts["dbname"]))

    adapter = open_adapter("")

    assert adapter.collection(entity_of(Album)).read(["a"]) == {}
    assert str(parts["dbname"]) in adapter.describe()


# a server with TLS and a password


def _key_and_name() -> tuple[ec.EllipticCurvePrivateKey, x509.Name]:
    common = f"fluxstore test {secrets.token_hex(4)}"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    return ec.generate_private_key(ec.SECP256R1()), name


def certificate(folder: Path, *names: str) -> None:
    """Write ca.crt, server.crt and server.key of a server with these names."""
    ca_key, ca_name = _key_and_name()
    key, _ = _key_and_name()
    now = datetime.now(UTC)

    def signed(subject: x509.Name, public: Any, *extensions: tuple[Any, bool]) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=2))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(ca_key, hashes.SHA256())

    ca = signed(
        ca_name, ca_key.public_key(), (x509.BasicConstraints(ca=True, path_length=None), True)
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
    alternatives = [
        x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
        for name in names
    ]
    own = signed(subject, key.public_key(), (x509.SubjectAlternativeName(alternatives), False))
    pem = serialization.Encoding.PEM
    (folder / "ca.crt").write_bytes(ca.public_bytes(pem))
    (folder / "server.crt").write_bytes(own.public_bytes(pem))
    (folder / "server.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@attrs.frozen
class TlsServer:
    port: int
    ca: Path
    server: EmbeddedServer

    def dsn(self, host: str, password: str = PASSWORD) -> str:
        return f"postgresql://app:{password}@{host}:{self.port}/postgres?sslrootcert={self.ca}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture
def start_tls(
    reachable_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., TlsServer]]:
    """Start a PostgreSQL 15 that listens on 127.0.0.1 with a certificate for the given names."""
    monkeypatch.setenv("FLUXSTORE_PG_BINDIR", str(SYSTEM_POSTGRES))
    started: list[EmbeddedServer] = []

    def start(*names: str) -> TlsServer:
        port = _free_port()
        server = EmbeddedServer(
            reachable_folder / "postgres",
            durable=False,
            settings={"listen_addresses": "127.0.0.1", "port": str(port), "ssl": "on"},
        )
        started.append(server)
        _set_up(server, names)
        return TlsServer(port, server.data / "ca.crt", server)

    yield start
    for server in started:
        server.remove()


def _set_up(server: EmbeddedServer, names: tuple[str, ...]) -> None:
    plain = EmbeddedServer(server.home, durable=False)
    with plain, psycopg.connect(plain.status().conninfo, autocommit=True) as connection:
        connection.execute("SET password_encryption = 'scram-sha-256'")
        connection.execute("CREATE ROLE app LOGIN SUPERUSER PASSWORD 'correct-horse-7'")
    certificate(server.data, *names)
    owner = server.data.stat()
    for name in ("ca.crt", "server.crt", "server.key"):
        subprocess.run(["chown", f"{owner.st_uid}:{owner.st_gid}", server.data / name], check=True)
    (server.data / "server.key").chmod(0o600)
    access = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
    (server.data / "pg_hba.conf").write_text(access)
    server.start()


@pytest.fixture
def as_if_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 taken for a host that is not local: there is no other one here."""
    monkeypatch.setattr("fluxstore_postgres.dsn._is_local", lambda host: False)


@with_tls
@pytest.mark.usefixtures("as_if_away")
def test_a_verified_server_is_connected_to_with_tls(
    start_tls: Callable[..., TlsServer], open_adapter: Any
) -> None:
    adapter = open_adapter(start_tls("127.0.0.1").dsn("127.0.0.1"))

    with adapter.transaction(), adapter.connections.unit() as unit:
        row = unit.link.execute(
            "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        ).fetchone()

    assert row == (True, "TLSv1.3")


@with_tls
@pytest.mark.usefixtures("as_if_away")
def test_a_server_with_another_name_is_refused(
    start_tls: Callable[..., TlsServer], open_adapter: Any
) -> None:
    server = start_tls("elsewhere.example.org")

    with pytest.raises(AccessError, match="does not match") as caught:
        open_adapter(server.dsn("127.0.0.1"))

    assert PASSWORD not in said_by(caught.value)


@with_tls
@pytest.mark.usefixtures("as_if_away")
def test_a_server_of_an_unknown_authority_is_refused(
    start_tls: Callable[..., TlsServer], open_adapter: Any, tmp_path: Path
) -> None:
    server = start_tls("127.0.0.1")
    certificate(tmp_path, "127.0.0.1")
    other = attrs.evolve(server, ca=tmp_path / "ca.crt")

    with pytest.raises(AccessError, match="certificate verify failed"):
        open_adapter(other.dsn("127.0.0.1"))


@with_tls
def test_a_wrong_password_is_told_without_it(
    start_tls: Callable[..., TlsServer], open_adapter: Any
) -> None:
    server = start_tls("127.0.0.1")

    with pytest.raises(AccessError, match="password authentication failed") as caught:
        open_adapter(server.dsn("127.0.0.1", "wrong-battery-9"))

    assert "wrong-battery-9" not in said_by(caught.value)


@with_tls
def test_no_secret_is_in_anything_that_is_said(
    start_tls: Callable[..., TlsServer], open_adapter: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        adapter = open_adapter(start_tls("127.0.0.1").dsn("127.0.0.1"), slow_query=timedelta(0))
        adapter.prepare([entity_of(Album)])
        said = [repr(adapter.target), repr(adapter.connections), adapter.describe()]
        said += [repr(one) for one in (*adapter.examine(), *adapter.differences())]
        said += [repr(adapter._opening.settings), adapter.ddl()]

    assert PASSWORD not in "".join(said) + caplog.text


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgres//app:{PASSWORD}@host/x",
        f"host=x password='{PASSWORD}",
        f"postgresql://app:{PASSWORD}@host:port/x",
        f"{PASSWORD}",
    ],
)
def test_a_dsn_that_cannot_be_read_is_not_repeated(dsn: str) -> None:
    with pytest.raises(ConfigError, match=r"backends\.pg\.dsn") as caught:
        target_of(settings(dsn), "pg")

    assert PASSWORD not in said_by(caught.value)


def test_a_database_that_is_not_there_is_a_matter_of_configuration(
    postgres_dsn: str, open_adapter: Any
) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        open_adapter(psycopg.conninfo.make_conninfo(postgres_dsn, dbname="nowhere"))


def said_by(error: FluxstoreError) -> str:
    """Everything that an error may show: its message, facts, pickle, and what caused it."""
    causes = []
    cause: BaseException | None = error
    while cause is not None:
        causes.append(str(cause) + repr(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "".join(causes) + repr(error.facts()) + pickle.dumps(error).decode("latin-1")
