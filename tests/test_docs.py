"""What the pages say is so: every example runs, every list is complete, the build is quiet."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from doc_examples import Command, Reader, blocks, commands, environment, first_missing

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("plugins/*/README.md"))]
PAGES_WITH_EXAMPLES = [page for page in PAGES if any(blocks(page.read_text("utf-8")))]

INSTALL = "python3 -m pip install -q --target .tools uv && .tools/bin/uv run"
FIRST_COMMANDS = [f"{INSTALL} fluxstore demo", f"{INSTALL} pytest"]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """Return the folder of the documentation built as plain text."""
    out = tmp_path_factory.mktemp("text")
    arguments = ["-q", "-W", "--keep-going", "-E", "-d", str(out / ".doctrees"), "-b", "text"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *arguments, str(DOCS), str(out)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.postgres
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES_WITH_EXAMPLES, ids=name_of)
def test_every_example_of_the_page_runs(page, tmp_path):
    reader = Reader(tmp_path)
    try:
        reader.follow(without_first_commands(page.read_text("utf-8")))
    finally:
        reader.leave()


def without_first_commands(page: str) -> str:
    """Leave out the commands that install everything: `.ci/run` runs those."""
    return re.sub(r"^```sh\n.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)


def test_the_readme_begins_with_the_two_commands():
    readme = (ROOT / "README.md").read_text("utf-8")
    shell = [b.text.splitlines() for b in blocks(readme) if b.language == "sh"]

    assert FIRST_COMMANDS == [line for lines in shell for line in lines]
    assert len(readme.splitlines()) <= 120


def test_only_installing_is_left_to_the_machine_that_checks_everything():
    shell = [name_of(page) for page in PAGES if "\n```sh\n" in page.read_text("utf-8")]

    assert ["README.md", "docs/how-to/install.md"] == shell


def test_the_documentation_builds_without_a_warning(built):
    assert (built / "index.txt").exists()


def test_every_word_of_the_glossary_is_defined_once_and_in_order():
    body = (DOCS / "glossary.md").read_text("utf-8")
    words = re.findall(r"^([a-z][a-z ]*)$", body, re.MULTILINE)

    assert words == sorted(set(words))


def test_every_decision_is_numbered_without_a_gap():
    pages = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    titles = [page.read_text("utf-8").splitlines()[0] for page in pages]

    assert [f"{number:04}" for number in range(1, len(pages) + 1)] == [p.name[:4] for p in pages]
    assert all(
        title.startswith(f"# {page.name[:4]} ") for title, page in zip(titles, pages, strict=True)
    )


# The reader of the examples, tried on pages of its own.


def test_a_page_is_followed_in_order_in_one_folder(tmp_path):
    page = (
        "```toml\n# a.toml\nx = 1\n```\n"
        "```console\n$ cat a.toml\nx = …\n$ test -e nothing  # exit 1\n```\n"
        "```python\nopen('b', 'w').close()\n```\n"
        "```console\n$ ls\na.toml\nb\n```\n"
    )

    Reader(tmp_path).follow(page)

    assert (tmp_path / "b").exists()


@pytest.mark.parametrize(
    "page",
    [
        "```console\n$ false\n```\n",
        "```console\n$ true  # exit 5\n```\n",
        "```console\n$ echo one\ntwo\n```\n",
        "```python\nraise SystemExit(3)\n```\n",
        "```toml\nx = \n```\n",
        "```bash\nls\n```\n",
    ],
)
def test_an_example_that_does_not_hold_is_noticed(page, tmp_path):
    with pytest.raises(AssertionError, match="block at line 1"):
        Reader(tmp_path).follow(page)


def test_a_command_may_go_on_and_say_its_exit_code():
    found = list(commands("$ one \\\n  two  # exit 5\nout\n\n$ three\n"))

    assert [Command("one   two", 5, ("out", "")), Command("three", 0, ())] == found


def test_output_is_compared_in_order_and_without_regard_to_width():
    assert first_missing(("a …", "…", "c"), "a  1\nb\nx\nc\n") is None
    assert first_missing(("c", "a"), "a\nc\n") == "a"


def test_commands_of_this_environment_come_first():
    assert environment()["PATH"].startswith(str(Path(sys.executable).parent))
