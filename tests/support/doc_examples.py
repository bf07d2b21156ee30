"""Examples of a Markdown page, found and run as its reader would.

A page's blocks run in order, in one folder of their own:

* ``console``: a line that begins with ``$ `` is a command; ``# exit 5`` at its end says how it ends
  (0 where nothing is said). Lines below it are output that must appear, in this order; ``…``
  stands for anything, and a line that is only ``…`` for any lines.
* A block whose first line is a comment with nothing but a file's name is written to that file.
* ``python`` otherwise runs as a script of its own; ``toml`` and ``json`` must parse.
* ``text``, ``sql`` and MyST directives are only read.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import attrs

FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"(?:#|--|//) ([\w./-]+\.(?:py|toml|json|sql))\n")
COMMAND = re.compile(r"^\$ (.*?)(?:\s+# exit (\d+))?$")
ONLY_READ = {"text", "sql"}
COMMAND_LIMIT_SECONDS = 120


@attrs.frozen
class Block:
    """One fenced block: its language, its text, and the line it begins on."""

    language: str
    text: str
    line: int


@attrs.frozen
class Command:
    """One command of a console block, how it ends, and output that must appear."""

    text: str
    exit_code: int
    output: tuple[str, ...]


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of *page* in order, without MyST directives."""
    for match in FENCE.finditer(page):
        language = match[2].strip()
        if not language.startswith("{"):
            indent = match[1]
            lines = [line.removeprefix(indent) for line in match[3].splitlines(keepends=True)]
            yield Block(language, "".join(lines), page.count("\n", 0, match.start()) + 1)


def tables(page: str) -> dict[str, list[list[str]]]:
    """Return the rows of the tables of *page* by the head of their first column."""
    found: dict[str, list[list[str]]] = {}
    for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
        cells = [[cell.strip().strip("`").replace("\\|", "|") for cell in row] for row in rows]
        found[cells[0][0]] = cells[2:]
    return found


def commands(console: str) -> Iterator[Command]:
    """Yield the commands of a console block; a line that ends in a backslash goes on."""
    found: list[tuple[str, int, list[str]]] = []
    for line in console.replace("\\\n", "").splitlines():
        match = COMMAND.match(line)
        if match:
            found.append((match[1], int(match[2] or 0), []))
        elif found:
            found[-1][2].append(line)
        else:
            raise AssertionError(f"output before the first command: {line}")
    return (Command(text, code, tuple(output)) for text, code, output in found)


@attrs.define
class Reader:
    """Somebody who follows a page step by step in a folder of their own."""

    folder: Path
    place: Path = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.place = self.folder

    def follow(self, page: str) -> None:
        """Run every block of *page*; an AssertionError names the line that does not hold."""
        for block in blocks(page):
            try:
                self.take(block)
            except (AssertionError, ValueError) as error:
                raise AssertionError(f"block at line {block.line}: {error}") from error

    def take(self, block: Block) -> None:
        named = FILE_NAME.match(block.text)
        if named:
            self.write(named[1], block)
        elif block.language == "console":
            for command in commands(block.text):
                self.run(command)
        elif block.language == "python":
            self.expect(Command("python", 0, ()), [sys.executable, "-"], block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "json":
            json.loads(block.text)
        else:
            assert block.language in ONLY_READ, f"nobody knows how to run {block.language!r}"

    def write(self, name: str, block: Block) -> None:
        if block.language == "toml":
            tomllib.loads(block.text)
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = block.text.partition("\n")[2] if block.language == "json" else block.text
        path.write_text(text, "utf-8")

    def run(self, command: Command) -> None:
        if command.text.startswith("cd "):
            self.place = self.place / command.text.removeprefix("cd ").strip()
        else:
            self.expect(command, ["bash", "-c", command.text], "")

    def expect(self, command: Command, arguments: list[str], stdin: str) -> None:
        done = subprocess.run(
            arguments,
            input=stdin,
            cwd=self.place,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_LIMIT_SECONDS,
            check=False,
        )
        told = f"$ {command.text}\n{done.stdout}"
        assert command.exit_code == done.returncode, f"exit {done.returncode}: {told}"
        missing = first_missing(command.output, done.stdout)
        assert missing is None, f"not printed: {missing!r}: {told}"

    def leave(self) -> None:
        """Stop the private database server where the page started one."""
        for found in self.folder.rglob("fluxstore.toml"):
            if (found.parent / ".fluxstore").exists():
                arguments = [tool("fluxstore"), "db", "stop"]
                subprocess.run(arguments, cwd=found.parent, env=environment(), check=False)


def tool(name: str) -> str:
    """Return the path of an installed command of this environment."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    assert found is not None, f"{name} is not installed"
    return found


def environment() -> dict[str, str]:
    """Return this process's environment, plain and wide, with our own commands first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "NO_COLOR": "1", "COLUMNS": "100", "LC_ALL": "C.UTF-8"}


def first_missing(expected: tuple[str, ...], printed: str) -> str | None:
    """Return the first line of *expected* that *printed* does not hold in order, or None."""
    lines = iter(printed.splitlines())
    for line in expected:
        pattern = ".*".join(re.escape(" ".join(part.split())) for part in line.split("…"))
        wanted = re.compile(rf"\s*{pattern}\s*")
        if line.strip() and not any(wanted.fullmatch(" ".join(got.split())) for got in lines):
            return line
    return None
