"""SQLite as a backend of fluxstore: one file, one table an entity."""
