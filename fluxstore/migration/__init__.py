"""The engine of ``assess``, ``migrate``, ``validate``, ``repair`` and ``rollback``."""
