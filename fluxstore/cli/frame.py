"""Runs one command line: every way in which it can end has its line and its exit code here."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from fluxstore.cli import exits, render
from fluxstore.cli.session import Session
from fluxstore.cli.signals import Signals
from fluxstore.errors import FluxstoreError

NAME = "fluxstore"
COMPLETION_VARIABLE = "_FLUXSTORE_COMPLETE"


def run(arguments: Sequence[str], signals: Signals) -> int:
    """Run the command line *arguments* and return its exit code; everything is said already."""
    _open_standard_streams()
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    session = Session(
        signals,
        json="--json" in options,
        quiet="--quiet" in options,
        debug="--debug" in options,
        arguments=tuple(arguments),
    )
    try:
        return _command(session, list(arguments))
    except KeyboardInterrupt:
        return _stopped(session)
    except Exception as error:  # noqa: BLE001 - the one place where every error gets its line
        if signals.received and _is_stop(error):
            return _stopped(session)
        return _failed(session, error)


def _open_standard_streams() -> None:
    """Point closed standard streams at nothing, so that no file is opened in their place."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _command(session: Session, arguments: list[str]) -> int:
    from fluxstore.cli.app import command
    from fluxstore.cli.options import WORDS

    root = command()
    if os.environ.get(COMPLETION_VARIABLE):
        root.main(arguments, prog_name=NAME, complete_var=COMPLETION_VARIABLE)
    with root.make_context(NAME, arguments, obj=session) as ctx:
        answer = _answer(root.invoke(ctx))
        session.show(answer, str(ctx.meta.get(WORDS, "")))
        return answer.exit_code


def _answer(returned: object) -> render.Answer:
    """Return what a command returned as an answer: a plugin's may return a mapping, or nothing."""
    if isinstance(returned, render.Answer):
        return returned
    if isinstance(returned, Mapping):
        return render.Answer(returned, [f"{name}: {value}" for name, value in returned.items()])
    return render.Answer({})


def _is_stop(error: Exception) -> bool:
    from fluxstore.migration.progress import StoppedError

    return isinstance(error, StoppedError)


def _stopped(session: Session) -> int:
    code, again = session.signals.exit_code, session.again_line()
    _say(session, Fault("Stopped", "stopped", {"again": again}, code), f"; to go on: {again}")
    return code


class Fault:
    """An error as the user is told it."""

    def __init__(self, kind: str, message: str, facts: Mapping[str, Any], exit_code: int) -> None:
        """Hold the error's class name, its line, its facts and the exit code."""
        self.kind, self.message, self.facts, self.exit_code = kind, message, facts, exit_code


def _failed(session: Session, error: Exception) -> int:
    if isinstance(error, typer.Exit):
        return error.exit_code  # everything is said already
    if session.debug:
        traceback.print_exception(error)
    fault = fault_of(error)
    _say(session, fault)
    return fault.exit_code


def fault_of(error: Exception) -> Fault:
    """Return *error* as the user is told it; what is no error of ours is a bug of ours."""
    kind = type(error).__name__
    if isinstance(error, FluxstoreError):
        return Fault(kind, str(error), error.facts(), error.exit_code)
    if hasattr(error, "format_message"):  # Typer's, about the command line itself
        return Fault("UsageError", _usage_message(error), {}, exits.USAGE)
    if isinstance(error, OSError):
        return Fault(kind, _os_message(error), {}, exits.BUG)
    hint = "this is a bug in fluxstore; run again with --debug and report what it prints"
    return Fault(kind, f"{kind}: {error}; {hint}", {}, exits.BUG)


def _usage_message(error: Any) -> str:
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if ctx is not None else NAME
    message = " ".join(str(error.format_message()).split()).rstrip(".")
    return f"{message}; see `{path} --help`"


def _os_message(error: OSError) -> str:
    where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def _say(session: Session, fault: Fault, more: str = "") -> None:
    render.write_lines([f"error: {fault.message}{more}"], sys.stderr)
    if session.json:
        told = {"type": fault.kind, "message": fault.message, **fault.facts}
        render.write_json({"error": told, "exit_code": fault.exit_code}, sys.stdout)
