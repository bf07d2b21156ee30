"""``doctor`` and ``plugins``: is what is set up fit to be relied on?"""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import typer

from fluxstore.cli import exits, render
from fluxstore.cli.precautions import exposed_secret
from fluxstore.cli.render import Styled
from fluxstore.cli.session import Session
from fluxstore.errors import AccessError, BackendUnavailableError, FluxstoreError

if TYPE_CHECKING:
    from fluxstore.plugins import Installed, Plugins

LOW_DISK_BYTES, NO_DISK_BYTES = 1 << 30, 64 << 20
EARLIEST_SECONDS = 1_735_689_600
"""2025-01-01: a clock before that was never set."""
STYLES = {"ok": "green", "note": "yellow", "blocks": "red", "unreachable": "red"}
CODES = {
    "ok": exits.OK,
    "note": exits.OK,
    "blocks": exits.CONFIGURATION,
    "unreachable": exits.UNAVAILABLE,
}


@attrs.frozen
class Line:
    """One thing that was looked at: how it is (a key of ``CODES``), and what to do."""

    state: str
    subject: str
    words: str
    next_step: str = ""
    statements: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield what is printed."""
        hint = f"; {self.next_step}" if self.next_step else ""
        text = f"{self.state:<12}{self.subject}: {self.words}{hint}"
        yield Styled(text, STYLES[self.state])
        yield from render.indented(self.statements, " " * 12)


def doctor(ctx: typer.Context) -> render.Answer:
    """Look at plugins, configuration, backends, rights, clock and disk; nothing is changed.

    Prints the SQL for an administrator where rights are missing. Exit code 0 if nothing blocks,
    3 if something does, 7 if a backend cannot be reached.
    """
    session = Session.of(ctx)
    found = [_versions(), *_plugins(session.plugins), _clock(), *_configured(session)]
    lines = [line for one in found for line in one.lines()]
    code = exits.worst(CODES[one.state] for one in found)
    notes = sum(one.state == "note" for one in found)
    bad = sum(one.state in ("blocks", "unreachable") for one in found)
    ending = f"{render.count(bad, 'problem')}, {render.count(notes, 'note')}"
    lines += ["", Styled(ending if bad or notes else "all is well", "red" if bad else "green")]
    data = {"findings": [attrs.asdict(one) for one in found]}
    return render.Answer(data, lines, exit_code=code)


def _versions() -> Line:
    words = f"{version('fluxstore-core')} on Python {platform.python_version()}"
    return Line("ok", "fluxstore", f"{words}, {platform.system()} {platform.machine()}")


def _plugins(plugins: Plugins) -> Iterator[Line]:
    for one in plugins.installed():
        who = f"plugin {one.name}"
        if one.failure:
            hint = f"reinstall or uninstall {one.distribution}"
            yield Line("note", who, f"does not load: {one.failure}", hint)
        else:
            yield Line("ok", who, f"{one.distribution} {one.version}")


def _clock() -> Line:
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    if time.time() < EARLIEST_SECONDS:
        return Line("blocks", "clock", f"it says {now}", "set it: times in records depend on it")
    return Line("ok", "clock", now)


def _configured(session: Session) -> Iterator[Line]:
    config = session.config
    words = render.count(len(config.entities), "entity", "entities")
    backends = render.count(len(config.backends), "backend")
    yield Line("ok", "configuration", f"{config.file}: {words}, {backends}")
    if not config.entities:
        yield Line("blocks", "entities", "none is declared", 'name modules: entities = ["…"]')
    if warning := exposed_secret(config.file):
        yield Line("note", "configuration", warning)
    yield _disk(config.folder)
    for name in config.backends:
        yield from _backend(session, name)


def _disk(folder: Path) -> Line:
    free = shutil.disk_usage(folder).free
    words = f"{render.size(free)} free at {folder}"
    if free < NO_DISK_BYTES:
        return Line("blocks", "disk", words, "make room")
    return Line("note" if free < LOW_DISK_BYTES else "ok", "disk", words)


def _backend(session: Session, name: str) -> Iterator[Line]:
    from fluxstore.adapter import Use
    from fluxstore.migration.live import live_findings

    who = f"backend {name}"
    policy = session.config.policy
    ends = [getattr(policy.settings, end, None) for end in ("source", "target")] if policy else []
    source = ends[:1] == [name]
    try:
        with session.backend(name, Use.SOURCE if source else Use.SERVE) as adapter:
            yield Line("ok", who, f"{adapter.name}, {adapter.describe()}")
            for one in adapter.examine():
                state = "blocks" if one.blocks else "note"
                words = f"{one.subject}: {one.problem}"
                yield Line(state, who, words, one.next_step, one.statements)
            for one in live_findings(adapter, name) if name in ends else ():
                yield Line("note", one.subject, one.problem, one.next_step)
    except FluxstoreError as error:
        yield _failure(who, error)


def _failure(who: str, error: FluxstoreError) -> Line:
    state = "unreachable" if isinstance(error, BackendUnavailableError) else "blocks"
    statements = error.statements if isinstance(error, AccessError) else ()
    return Line(state, who, str(error), statements=statements)


def plugins(ctx: typer.Context) -> render.Answer:
    """List installed plugins: distribution, version, what they offer, and what failed and why."""
    found = Session.of(ctx).plugins
    rows = [_plugin(found, one) for one in found.installed()]
    head = ("plugin", "distribution", "version", "offers", "state")
    lines = render.table(head, [[row[name] for name in head] for row in rows])
    for one in rows:
        if one["capabilities"]:
            lines.append(f"{one['plugin']} can: {', '.join(one['capabilities'])}")
    return render.Answer({"plugins": rows}, lines or ["no plugin is installed"])


def _plugin(found: Plugins, one: Installed) -> dict[str, Any]:
    offers = [
        offer
        for kind in ("adapter", "policy", "executor")
        for offer in found.offers(kind)
        if offer.plugin == one
    ]
    capabilities, failure = _capabilities([offer for offer in offers if offer.kind == "adapter"])
    return {
        "plugin": one.name,
        "distribution": one.distribution,
        "version": one.version,
        "offers": ", ".join(f"{offer.kind} {offer.name}" for offer in offers) or None,
        "state": one.failure or failure or "loaded",
        "capabilities": capabilities,
    }


def _capabilities(offers: list[Any]) -> tuple[list[str], str]:
    """Return what the adapters of a plugin declare on their classes, and why one does not load."""
    names: set[str] = set()
    for offer in offers:
        try:
            declared = getattr(offer.load(), "capabilities", ())
        except FluxstoreError as error:
            return sorted(names), str(error)
        names |= {one.value for one in declared if isinstance(declared, frozenset)}
    return sorted(names), ""
