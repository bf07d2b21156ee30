"""Move records between backends."""
