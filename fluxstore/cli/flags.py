"""Two boolean flags of older set-ups, and the phase that each combination means."""

from __future__ import annotations

from collections.abc import Mapping

from fluxstore.errors import UsageError, shortened

READ = "USE_POSTGRES"
DUAL = "DUAL_WRITE_ENABLED"
PHASES: dict[tuple[bool, bool], str] = {
    (False, False): "off",
    (False, True): "dual_write",
    (True, True): "live",
}
"""(reads from PostgreSQL, writes both) to a phase; the fourth reads one and writes the other."""
_WORDS = {"true": True, "1": True, "yes": True, "on": True}
_WORDS |= {"false": False, "0": False, "no": False, "off": False, "": False}


def phase(environment: Mapping[str, str]) -> str:
    """Return the phase that the two flags mean; ``UsageError`` for the pair that means none."""
    read, dual = _flag(environment, READ), _flag(environment, DUAL)
    found = PHASES.get((read, dual))
    if found is None:
        raise UsageError(
            f"{READ} is on and {DUAL} is off: reads would come from PostgreSQL and writes go to "
            "JSON only, so nobody would see what is written",
            next_step=f"set {DUAL}=true (phase live) or {READ}=false (phase off)",
        )
    return found


def _flag(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name, "").strip().lower()
    if text not in _WORDS:
        raise UsageError(f"{name} is {shortened(text)!r}", next_step="write true or false")
    return _WORDS[text]
