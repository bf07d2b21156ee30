"""Mechanisms of the policy: the cutover, its recovery, and what follows it."""

from harness.removal import Removal

SOURCE = "plugins/fluxstore-phases/src/fluxstore_phases"
TESTS = "plugins/fluxstore-phases/tests"
PATHS = ("tests/model/test_phase_paths.py", "tests/model/test_recorded.py")
CUTOVER = (f"{TESTS}/test_cutover_trouble.py", f"{TESTS}/test_steps.py", *PATHS)
REMOVALS = (
    Removal(
        "cutover: drain",
        "the last marks are carried while writes wait",
        f"{SOURCE}/cutover.py",
        '    Step("C3", "drain", Cutover.drain, Cutover.give_back),\n',
        "",
        CUTOVER,
    ),
    Removal(
        "cutover: check",
        "what was written lately is compared while writes wait",
        f"{SOURCE}/cutover.py",
        '    Step("C4", "check", Cutover.check, Cutover.give_back),\n',
        "",
        CUTOVER,
    ),
    Removal(
        "cutover: committing first",
        "the side that hands over says so before the other is asked to take over",
        f"{SOURCE}/cutover.py",
        '    Step("C4½", "commit", Cutover.commit, Cutover.decide),\n',
        "",
        CUTOVER,
    ),
    Removal(
        "cutover: the seal begins an epoch",
        "a late message of the first try finds another epoch",
        f"{SOURCE}/cutover.py",
        'sealed = attrs.evolve(self._ours, epoch=self._ours.epoch + 1, role="sealed")',
        'sealed = attrs.evolve(self._ours, role="sealed")',
        CUTOVER,
    ),
    Removal(
        "cutover: a seal undoes itself",
        "a step that fails gives the side back to its writers",
        f"{SOURCE}/cutover.py",
        "            was_taken = step.undo(self)\n",
        "            was_taken = False\n",
        CUTOVER,
    ),
    Removal(
        "recovery: unseals",
        "whoever comes next lets writers go on",
        f"{SOURCE}/recovery.py",
        '    "sealed": _unseal,\n',
        "",
        (*CUTOVER, f"{TESTS}/test_killed_phase_changes.py"),
    ),
    Removal(
        "recovery: an unsealed side keeps its epoch",
        "a late take-over of the first try finds nothing",
        f"{SOURCE}/recovery.py",
        'sides.turn(side, scope, sealed, attrs.evolve(sealed, role="authority"))',
        'sides.turn(side, scope, sealed, attrs.evolve(sealed, role="authority",'
        " epoch=sealed.epoch - 1))",
        CUTOVER,
    ),
    Removal(
        "recovery: the target catches up",
        "after an unseal the follower comes to the authority's epoch",
        f"{SOURCE}/recovery.py",
        '    "behind": _follow_holder,\n',
        "",
        CUTOVER,
    ),
    Removal(
        "recovery: moves the target out of reach",
        "a committing side is given back only after the other's epoch has gone",
        f"{SOURCE}/recovery.py",
        '    "committing": _move_out_of_reach,\n',
        '    "committing": _give_back,\n',
        CUTOVER,
    ),
    Removal(
        "entering: purges",
        "version rows of an earlier migration are forgotten",
        f"{SOURCE}/steps.py",
        "self._turn(Side.SOURCE, source, authority, purge=True)",
        "self._turn(Side.SOURCE, source, authority)",
        (f"{TESTS}/test_steps.py", *PATHS),
    ),
    Removal(
        "leaving: purges",
        "phase off keeps no version rows",
        f"{SOURCE}/steps.py",
        "self._turn(Side.SOURCE, source, off, purge=True)\n        recovery",
        "self._turn(Side.SOURCE, source, off)\n        recovery",
        (f"{TESTS}/test_steps.py", *PATHS),
    ),
    Removal(
        "complete: drains",
        "the source is archived only with all that was written before",
        f"{SOURCE}/archiving.py",
        "    if left := _older(origin, entities, behind, target.epoch):\n",
        "    if (left := _older(origin, entities, behind, target.epoch)) and not left:\n",
        (f"{TESTS}/test_steps.py", *PATHS),
    ),
    Removal(
        "finalize: purges under a new epoch",
        "tombstones go with the way back",
        f"{SOURCE}/completing.py",
        'after = Control(target.epoch + 1, "authority", OFF.name, "")\n'
        "        sides.turn(Side.TARGET, scope, target, after, purge=True)",
        'after = Control(target.epoch + 1, "authority", OFF.name, "")\n'
        "        sides.turn(Side.TARGET, scope, target, after)",
        (f"{TESTS}/test_steps.py",),
    ),
    Removal(
        "reads: asks the target when committing",
        "a read while it is being decided asks who has taken over",
        f"{SOURCE}/reading.py",
        'or before.role != "committing" or self._has_taken_over():',
        'or before.role != "committing":',
        (TESTS, "-k", "read or commit or answer"),
    ),
    Removal(
        "reads: look at control again",
        "a read while it is being decided is refused where control has changed",
        f"{SOURCE}/reading.py",
        "if _place(self.here.control(self.entity)) != _place(before):",
        "if False:",
        (TESTS, "-k", "read or commit or answer"),
    ),
    Removal(
        "leg: fence",
        "a leg is refused unless the follower is in the epoch of the write",
        f"{SOURCE}/carriage.py",
        "apply_if_newer(changes, epoch=parcel.epoch)",
        "apply_if_newer(changes)",
        (f"{TESTS}/test_carriage.py", f"{TESTS}/test_following.py"),
    ),
    Removal(
        "leg: budget",
        "a caller waits for the follower no longer than the budget",
        f"{SOURCE}/leg.py",
        "if ticket.done.wait(self._budget_seconds):",
        "if ticket.done.wait(60):",
        (f"{TESTS}/test_following.py", f"{TESTS}/test_follower_trouble.py"),
    ),
    Removal(
        "leg: a refused one leaves its mark",
        "what the follower did not take is not cleared",
        f"{SOURCE}/leg.py",
        "            if marks and not self._carriage.clear(marks):",
        "            marks += [Mark(w.entity.name, k, r.version) for t in tickets"
        " for w in t.written for k, r in w.records.items()]\n"
        "            if marks and not self._carriage.clear(marks):",
        (f"{TESTS}/test_follower_trouble.py", f"{TESTS}/test_following.py"),
    ),
    Removal(
        "breaker",
        "after failures the follower is left alone for a while",
        f"{SOURCE}/leg.py",
        "        if advice is Advice.SKIP:\n",
        "        if False:\n",
        (f"{TESTS}/test_breaker.py", f"{TESTS}/test_follower_trouble.py"),
    ),
)
