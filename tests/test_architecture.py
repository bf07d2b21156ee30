"""The house stands as it was drawn, and the rules that say so would notice if it did not."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

import house_rules
import pytest
from house_rules import RULES, House

ROOT = Path(__file__).resolve().parent.parent
RUN_TIME_SET = {"attrs", "cattrs", "msgspec", "pluggy", "rich", "tomlkit", "typer", "xxhash"}
PLUGINS = ("fluxstore_json", "fluxstore_phases", "fluxstore_postgres", "fluxstore_sqlite")

STORE = "fluxstore/store.py"
JSON = "plugins/fluxstore-json/src/fluxstore_json"
PHASES = "plugins/fluxstore-phases/src/fluxstore_phases"
POSTGRES = "plugins/fluxstore-postgres/src/fluxstore_postgres"
DEEP = "def f(x):\n if x:\n  for y in x:\n   with y:\n    while y:\n     pass\n"

# Each rule with files that break it; a file is planted into an otherwise clean house.
PLANTED: tuple[tuple[str, dict[str, str]], ...] = (
    ("imports_only_from_the_left", {"fluxstore/entity.py": "from fluxstore.store import Store"}),
    ("imports_only_from_the_left", {"fluxstore/entity.py": "from fluxstore import store"}),
    ("imports_only_from_the_left", {"fluxstore/entity.py": "def f():\n import fluxstore.cli"}),
    ("imports_only_from_the_left", {"fluxstore/codec.py": "import fluxstore.adapter"}),
    ("imports_only_from_the_left", {STORE: "from fluxstore import Store"}),
    ("imports_only_from_the_left", {"fluxstore/novelty.py": ""}),
    (
        "imports_run_in_no_circle",
        {
            "fluxstore/cli/one.py": "from fluxstore.cli import two",
            "fluxstore/cli/two.py": "import fluxstore.cli.one",
        },
    ),
    ("adapters_know_no_pluggy", {"fluxstore/adapter.py": "import pluggy"}),
    (
        "adapters_know_no_pluggy",
        {f"{JSON}/adapter.py": "def f():\n from pluggy import HookimplMarker"},
    ),
    ("hooks_bind_without_a_driver", {f"{POSTGRES}/__init__.py": "import psycopg"}),
    ("hooks_bind_without_a_driver", {"fluxstore/hookspecs.py": "import sqlite3"}),
    (
        "hooks_bind_without_a_driver",
        {
            f"{POSTGRES}/__init__.py": "from fluxstore_postgres.pool import Pool",
            f"{POSTGRES}/pool.py": "from psycopg_pool import ConnectionPool",
        },
    ),
    ("plugins_use_public_names_only", {f"{JSON}/a.py": "import fluxstore_postgres"}),
    ("plugins_use_public_names_only", {f"{JSON}/a.py": "from fluxstore.store import _secret"}),
    ("plugins_use_public_names_only", {f"{JSON}/a.py": "from fluxstore._inside import name"}),
    ("plugins_use_public_names_only", {f"{JSON}/a.py": "from fluxstore import unlisted"}),
    ("store_asks_nothing_about_phases", {STORE: "x = 1 if route.phase == 4 else 2"}),
    ("store_asks_nothing_about_phases", {STORE: "match phase:\n case 1:\n  pass"}),
    ("phases_hold_no_sql_and_touch_no_file", {f"{PHASES}/a.py": "from pathlib import Path"}),
    ("phases_hold_no_sql_and_touch_no_file", {f"{PHASES}/a.py": "open('x')"}),
    ("phases_hold_no_sql_and_touch_no_file", {f"{PHASES}/a.py": "x = 'SELECT 1'"}),
    ("public_lists_are_sorted_and_true", {"fluxstore/__init__.py": "__all__ = ['b', 'a']"}),
    ("public_lists_are_sorted_and_true", {"fluxstore/__init__.py": "def f(): ..."}),
    ("modules_and_functions_are_short", {STORE: "x = 1\n" * 401}),
    ("modules_and_functions_are_short", {STORE: "def f():\n" + " x = 1\n" * 70}),
    ("nesting_is_shallow", {STORE: DEEP}),
    ("sql_is_never_formatted", {STORE: "x = f'SELECT {a} FROM b'"}),
    ("sql_is_never_formatted", {STORE: "x = 'DELETE FROM %s' % a"}),
    ("sql_is_never_formatted", {STORE: "x = 'CREATE TABLE {}'.format(a)"}),
    ("sql_is_never_formatted", {STORE: "x = 'UPDATE ' + a"}),
    ("sql_files_say_what_they_are_for", {f"{POSTGRES}/read.sql": "SELECT 1"}),
    ("tests_wait_on_conditions_and_mock_nothing", {"tests/a.py": "from unittest.mock import Mock"}),
    ("tests_wait_on_conditions_and_mock_nothing", {"tests/a.py": "import time\ntime.sleep(1)"}),
)
CLEAN = {
    "fluxstore/__init__.py": '"""Doc."""\n__all__ = []\n',
    "fluxstore/cli/__init__.py": "import fluxstore.store\n",
    STORE: "import time\nfrom fluxstore.errors import FluxstoreError\nx = f'{x} SELECT'\n",
    "fluxstore/errors.py": "class FluxstoreError(Exception): ...\n",
    f"{JSON}/__init__.py": "def bind():\n from fluxstore_json import a\n",
    f"{JSON}/a.py": "from fluxstore.errors import FluxstoreError\nimport sqlite3\n",
    f"{PHASES}/__init__.py": "",
    f"{POSTGRES}/__init__.py": "def bind():\n import psycopg\n",
    "tests/unit/a.py": "import time\nwhile not ready():\n time.sleep(0.01)\n",
}


@pytest.fixture(scope="module")
def house() -> House:
    return House(ROOT)


def build(folder: Path, files: dict[str, str]) -> House:
    for name, text in (CLEAN | files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return House(folder)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps(rule, house):
    assert "" == "\n".join(rule(house))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_clean_house_passes(rule, tmp_path):
    assert [] == list(rule(build(tmp_path, {})))


@pytest.mark.parametrize(("name", "files"), PLANTED)
def test_a_planted_violation_is_found(name, files, tmp_path):
    rule = getattr(house_rules, name)

    assert list(rule(build(tmp_path, files)))


def test_every_rule_is_tried_with_a_violation():
    assert {rule.__name__ for rule in RULES} == {name for name, _ in PLANTED}


def test_the_run_time_set_of_the_core_stays_small():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {dependency.split(">")[0] for dependency in project["dependencies"]}

    assert names == RUN_TIME_SET
    needed = [line for name in names for line in requires(name) or () if "extra ==" not in line]
    assert [] == [line for line in needed if line.startswith("pydantic")]


@pytest.mark.parametrize("plugin", PLUGINS)
def test_importing_a_plugin_loads_no_driver(plugin):
    code = f"import sys, {plugin}; print(*({set(house_rules.SLOW_DRIVERS)} & set(sys.modules)))"

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )

    assert loaded.stdout.strip() == ""


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_is_a_distribution_with_a_readme_tests_and_an_entry_point(plugin):
    folder = ROOT / "plugins" / plugin.replace("_", "-")
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]

    assert project["name"] == folder.name
    assert project["entry-points"]["fluxstore"] == {plugin.removeprefix("fluxstore_"): plugin}
    assert (folder / "README.md").read_text("utf-8").startswith(f"# {folder.name}\n")
    assert list((folder / "tests").rglob("test_*.py"))
