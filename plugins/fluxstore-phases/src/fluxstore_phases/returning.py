"""``rollback`` while a migration is live: the source is the authority again, and loses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from fluxstore.adapter import Control
from fluxstore.calls import Retreat, Rollback, Routing, Told
from fluxstore.errors import (
    BackendUnavailableError,
    FluxstoreError,
    GateError,
    PhaseOrderError,
)
from fluxstore.migration.plan import with_backup
from fluxstore_phases.operator import keys_of, report
from fluxstore_phases.phases import OFF, PHASES, Side
from fluxstore_phases.settings import Settings
from fluxstore_phases.sides import Sides
from fluxstore_phases.standing import told
from fluxstore_phases.steps import Taken, Walk

SHADOW = PHASES[3]
LOSS = 8
"""The exit code of a command that needs a loss to be accepted."""
_AHEAD = 2
"""Epochs that a source which gives the target up leaves between them."""


def bind(sides: Sides, settings: Settings, routing: Routing) -> Rollback | None:
    """Return the rollback of a migration under way; ``None`` where everything is in phase off."""
    controls = sides.controls(Side.SOURCE).values()
    if all(one.phase == OFF.name and one.role == "authority" for one in controls):
        return None
    return lambda retreat: Return(sides, settings, routing, retreat).run()


@attrs.frozen
class Return:
    """One run."""

    sides: Sides
    settings: Settings
    routing: Routing
    retreat: Retreat

    def run(self) -> Told:
        """Bring every scope back whose authority is the target."""
        try:
            found = [self.sides.standing(scope) for scope in self._scopes()]
            away = [one for one in found if one.holder is Side.TARGET]
        except (BackendUnavailableError, PhaseOrderError) as error:
            return self._without_target(error)
        final = [one.scope for one in found if one.state.name == "final"]
        if final:
            raise GateError(
                f"{final[0]} was finalized: there is no way back",
                gate="finalized",
                missing=tuple(final),
                next_step=f"migrate afresh: make {self.sides.names[Side.TARGET]} the source in "
                "[policy]",
            )
        names = [one.scope for one in away]
        if not names:
            return _already(self.sides.names[Side.SOURCE])
        if self.retreat.dry_run:
            line = f"would back up {self.sides.names[Side.SOURCE]}, then go back to {SHADOW.name}"
            return Told({"scopes": names, "dry_run": True}, [f"{', '.join(names)}: {line}"])
        return self._back(names)

    def _scopes(self) -> Sequence[str]:
        """Return what was asked for: the scopes of entities, or all."""
        if not self.retreat.entities:
            return self.sides.scopes()
        return list(dict.fromkeys(self.retreat.entities))

    def _back(self, scopes: Sequence[str]) -> Told:
        backup = back_up(self.sides, self.retreat)
        taken: list[Taken] = []
        for scope in scopes:
            walk = Walk(
                self.sides,
                scope,
                budget_seconds=self.settings.seal_budget.total_seconds(),
                tell=self.retreat.tell,
                taken=self._report,
            )
            taken += walk.to(SHADOW)
        return self._told(backup, taken)

    def _report(self, taken: Taken) -> None:
        self._tell(taken.scope, taken.after, taken.epoch)

    def _tell(self, scope: str, phase: str, epoch: int) -> None:
        self.retreat.write(keys_of(scope), phase)
        report(self.routing.reports, scope, phase, epoch=epoch)

    def _told(self, backup: str, taken: Sequence[Taken]) -> Told:
        name = self.sides.names[Side.SOURCE]
        pauses = [one.pause_seconds for one in taken if one.pause_seconds is not None]
        lines = [f"{name} was backed up to {backup}"]
        lines += [f"{one.scope}: {one.before} → {one.after} (epoch {one.epoch})" for one in taken]
        lines += [f"note: {notice}" for one in taken for notice in one.notices]
        lines.append(f"{name} is the authority; no write was lost")
        if pauses:
            lines.append(f"writes waited {max(pauses):.2f} s")
        data: dict[str, Any] = {
            "scopes": [one.scope for one in taken],
            "phases": {one.scope: one.after for one in taken},
            "authority": name,
            "backup": backup,
            "lost": 0,
            "pause_seconds": max(pauses, default=None),
        }
        return Told(data, lines)

    # after a disaster

    def _without_target(self, error: FluxstoreError) -> Told:
        """Give up a target that cannot be asked, where that loss was accepted by name."""
        source, target = (self.sides.names[side] for side in (Side.SOURCE, Side.TARGET))
        controls = self.sides.controls(Side.SOURCE)
        away = {n: one for n, one in controls.items() if _is_not_sure(one)}
        if not away:
            if controls:
                return _already(source)
            raise error
        if not self.retreat.lossy:
            problem = (
                f"{error}; what {target} acknowledged since it is the authority, and {source} has "
                "not got, would be lost; to accept that: fluxstore rollback --lossy"
            )
            return Told({"scopes": sorted(away), "lost": None}, (), [problem], LOSS)
        if self.retreat.dry_run:
            line = f"would give up {target} for {', '.join(sorted(away)) or 'nothing'}"
            return Told({"scopes": sorted(away), "dry_run": True}, [line])
        with self.sides.leased(Side.SOURCE):
            backup = back_up(self.sides, self.retreat)
            for scope, control in away.items():
                self._give_up(scope, control)
        lines = [
            f"{source} was backed up to {backup}",
            f"{source} is the authority, in phase {OFF.name}; {target} is given up",
            "what it acknowledged last may be missing: compare when it is there again",
        ]
        data = {"scopes": sorted(away), "authority": source, "backup": backup, "lost": None}
        phases = {"phases": dict.fromkeys(away, OFF.name)}
        return Told(data | phases, lines)

    def _give_up(self, scope: str, control: Control) -> None:
        alone = Control(control.epoch + _AHEAD, "authority", OFF.name, "")
        self.retreat.tell(f"{scope}: {told(control)} → {told(alone)}")
        self.sides.turn(Side.SOURCE, scope, control, alone, purge=True)
        self._tell(scope, OFF.name, alone.epoch)


def _already(name: str) -> Told:
    line = f"{name} is the authority already; `fluxstore phase set off` ends the migration"
    return Told({"scopes": [], "authority": name}, [line])


def _is_not_sure(control: Control) -> bool:
    """Tell whether the other side may hold what this one lacks."""
    return control.role != "authority"


def back_up(sides: Sides, retreat: Retreat) -> str:
    """Back the source up and return where to; ``UnsupportedError`` where its adapter cannot."""
    name, adapter = sides.names[Side.SOURCE], sides.adapter(Side.SOURCE)
    retreat.tell(f"back up {name}")
    otherwise = f"fluxstore phase set {SHADOW.name} goes back without a backup"
    return str(with_backup(adapter, name, otherwise=otherwise).backup(retreat.backups))
