"""The engine of ``assess``, ``migrate``, ``relay``, ``validate``, ``repair`` and ``rollback``.

It works on the contract alone (``Adapter``, ``Collection``, ``Ledger``), between any two backends,
prints nothing, and keeps memory flat: what grows with the data is on disk (``scratch``).

==================================== ==================================================
what a command calls                 what it is made of
==================================== ==================================================
``assess.assess``                    ``plan``, ``survey`` (``look``, ``joins``,
                                     ``suspects``, ``naming``)
``migrate.migrate``                  the same, ``copy``, ``extras``
``rollback.rollback``                ``migrate`` the other way round, after a backup
``verify.validate``                  ``sides``, ``compare``, ``locate``, ``differences``
``certificate.certify``,             a signed file of what ``validate`` found
``certificate.verify_certificate``
``repair.plan_repair``,              what ``validate`` found, as a file of lines
``apply.apply_plan``, ``apply.undo``
==================================== ==================================================

With writers at work, from an authority to its follower (``live.live_of`` says which they are):

==================================== ==================================================
``backfill.backfill``                ``migrate``'s survey, ``livecopy``, ``conflicts``,
                                     ``steering``
``relay.drain``, ``relay.carry``,    ``current``, ``carrying``, ``conflicts``,
``rounds.relay_on``                  ``quarantine``
``confirm.validate_live``            ``validate``'s comparison, then looks until certain
``repair.plan_live_repair``,         what ``validate_live`` found; the follower changed
``liverepair.apply_live_plan``       under the batch fence
``explain.explain``                  one record in every backend
``facts``                            what is left in the authority's ledger for gates
==================================== ==================================================

All take ``options.Options`` and return a frozen report (``report``) with ``to_json()`` and
``exit_code``; progress goes to a callback (``progress``).
"""
