"""The page about hooks, made of their signatures and docstrings; run it to write the page anew."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from fluxstore import hookspecs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "hooks.md"
PARTS = ("When", "In", "Return", "Who")
INTRODUCTION = """\
# Hooks

A plugin is a distribution with an entry point in the group `fluxstore`; its module implements
hooks with `@hookimpl`. Hooks are called when something is decided or has happened, never while an
application reads or writes: {doc}`/decisions/0001-hooks-bind-calls-run` says why. An implementation
may leave out parameters that it does not need. A misspelt hook is reported by `fluxstore plugins`.

This page is made of the hooks' own docstrings.
"""


def hooks() -> list[ast.FunctionDef]:
    """Return the hooks in the order of their module, as they are written there."""
    module = ast.parse(inspect.getsource(hookspecs))
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    return [function for function in functions if function.name.startswith("fluxstore_")]


def signature(hook: ast.FunctionDef) -> str:
    """Return the exact signature, on one line; a hook that answers nothing has no arrow."""
    answer = ast.unparse(hook.returns) if hook.returns else "None"
    arrow = "" if answer == "None" else f" -> {answer}"
    return f"{hook.name}({ast.unparse(hook.args)}){arrow}"


def example(hook: ast.FunctionDef) -> str:
    """Return the example of a hook's docstring, as a script that can be run."""
    docstring = ast.get_docstring(hook) or ""
    code = textwrap.dedent(docstring.partition("Example::\n")[2]).strip()
    return f"from fluxstore import hookimpl\n\n\n{code}\n"


def parts(hook: ast.FunctionDef) -> dict[str, str]:
    """Return the parts of a hook's docstring by their name; the first line is ``""``."""
    text = (ast.get_docstring(hook) or "").partition("Example::\n")[0].strip()
    told = re.split(rf"^({'|'.join(PARTS)}):\s*", text, flags=re.MULTILINE)
    named = zip(told[1::2], told[2::2], strict=True)
    return {"": told[0].strip()} | {name: part.strip() for name, part in named}


def page() -> str:
    """Return the whole page."""
    return INTRODUCTION + "".join(line for hook in hooks() for line in _section(hook))


def _section(hook: ast.FunctionDef) -> Iterator[str]:
    told = parts(hook)
    yield f"\n## `{signature(hook)}`\n\n{_marked(told.pop(''))}\n"
    for name, part in told.items():
        body = textwrap.indent(_marked(part), "  ").strip()
        yield f"\n{name}\n: {body}\n"
    yield f"\n```python\n{example(hook)}```\n"


def _marked(text: str) -> str:
    """Return reStructuredText of a docstring as Markdown: literals have one backtick."""
    return text.replace("``", "`")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
