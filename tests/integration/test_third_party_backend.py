"""The example of a third backend stands on its own: found once installed, and conforming."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "examples" / "third_party_backend"
PROJECT = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]
KIT = (
    "TestVerbs",
    "TestReferences",
    "TestResidue",
    "TestMerge",
    "TestApplyIfNewer",
    "TestReopening",
)


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """An environment with the example in it: its package, and what an installer writes."""
    info = tmp_path / f"fluxstore_logfile-{PROJECT['version']}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {PROJECT['name']}\nVersion: {PROJECT['version']}\n"
    (info / "METADATA").write_text(metadata, "utf-8")
    points = PROJECT["entry-points"]["fluxstore"].items()
    lines = "".join(f"{name} = {module}\n" for name, module in points)
    (info / "entry_points.txt").write_text(f"[fluxstore]\n{lines}", "utf-8")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(EXAMPLE / "src")])}


def run(installed: dict[str, str], *command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder, env=installed, capture_output=True, text=True, check=False, timeout=150,
    )  # fmt: skip


def test_the_command_line_lists_it_once_it_is_installed(installed, tmp_path):
    code = "from fluxstore.cli import main; main()"
    ran = run(installed, "-c", code, "plugins", "--json", folder=tmp_path)

    assert 0 == ran.returncode, ran.stderr
    assert "fluxstore-logfile" in json.dumps(json.loads(ran.stdout))


def test_it_passes_the_conformance_kit(installed, tmp_path):
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "-k", " or ".join((*KIT, "line"))]
    ran = run(installed, "-m", "pytest", *options, str(EXAMPLE / "tests"), folder=ROOT)

    assert 0 == ran.returncode, ran.stdout[-3000:]


def test_it_is_as_small_as_its_readme_says():
    sources = list((EXAMPLE / "src").rglob("*.py"))

    assert 200 > sum(len(path.read_text("utf-8").splitlines()) for path in sources)
