"""``plugins``: what is installed."""

from __future__ import annotations

from typing import Any

import typer

from fluxstore.cli import exits, render
from fluxstore.cli.session import Session


def plugins(ctx: typer.Context) -> render.Answer:
    """List installed plugins: distribution, version, what they offer, and what failed and why."""
    found = Session.of(ctx).plugins
    rows = [_plugin(found, one) for one in found.installed()]
    head = ("plugin", "distribution", "version", "offers", "state")
    lines = render.table(head, [[row[name] for name in head] for row in rows])
    return render.Answer({"plugins": rows}, lines or ["no plugin is installed"], exit_code=exits.OK)


def _plugin(found: Any, one: Any) -> dict[str, Any]:
    offers = [
        f"{kind} {offer.name}"
        for kind in ("adapter", "policy", "executor")
        for offer in found.offers(kind)
        if offer.plugin == one
    ]
    return {
        "plugin": one.name,
        "distribution": one.distribution,
        "version": one.version,
        "offers": ", ".join(offers),
        "state": one.failure or "loaded",
    }
