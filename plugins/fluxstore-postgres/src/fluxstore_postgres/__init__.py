"""PostgreSQL as a backend of fluxstore: typed columns, pooled connections, an embedded server."""
