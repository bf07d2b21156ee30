"""``demo --live``: an application serves its users while its records move, there and back."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from flux_studio_example import EXAMPLE
from shell import fluxstore

from fluxstore_postgres.embedded import EmbeddedServer

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(400)]
WALK = ["dual_write", "backfill", "shadow", "live", "live", "complete", "live"]
LONGEST_PAUSE_MS = 5_000
"""What a loaded machine may take; the aim of one second is measured by the fault harness."""


def test_users_do_not_notice_that_their_records_move(reachable_folder):
    folder = reachable_folder / "demo"
    ran = fluxstore(
        "demo", "--live", "--into", folder, "--records", "300", "--json", folder=reachable_folder
    )

    assert 0 == ran.returncode, ran.stdout + ran.stderr
    told = json.loads(ran.stdout)
    commands = [one["command"].split()[1:] for one in told["steps"]]
    assert WALK == [words[2] for words in commands if words[:2] == ["phase", "set"]]
    assert 2 == sum(words[0] == "rollback" for words in commands)
    users = told["users"]
    assert users["final"]
    assert 100 < users["requests"]
    assert [0, 0, 0, 0] == [users[name] for name in ("failed", "lost", "returned", "stale")]
    assert LONGEST_PAUSE_MS > users["slowest_write_ms"]
    assert not EmbeddedServer(folder / ".fluxstore" / "postgres").status().running


def test_users_who_meet_a_lost_task_say_so(tmp_path):
    """The load generator finds what it is there to find, at an application that forgets."""
    forgetful = tmp_path / "forgetful.py"
    forgetful.write_text(FORGETFUL)
    server = subprocess.Popen([sys.executable, forgetful], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        load = [sys.executable, "-m", "flux_studio.load", url, "--seconds", "2", "--rate", "60"]
        ran = subprocess.run(
            load, check=False, cwd=EXAMPLE, capture_output=True, text=True, timeout=60
        )
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    told = json.loads(ran.stdout.splitlines()[-1])

    assert 1 == ran.returncode
    assert 0 < told["lost"]
    assert any("acknowledged, and not there" in line for line in told["problems"])


FORGETFUL = """
import http.server, json

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        if self.path.startswith("/projects"):
            self.answer(200, [{"id": "p1"}])
        else:
            self.answer(404, {})

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.answer(201, {})

    def do_PATCH(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.answer(200, {})

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
server.serve_forever()
"""
