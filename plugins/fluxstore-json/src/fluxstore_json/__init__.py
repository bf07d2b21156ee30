"""JSON files as a backend of fluxstore: the user's own files, in their own shape."""
