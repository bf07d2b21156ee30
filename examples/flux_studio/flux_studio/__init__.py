"""Flux Studio, a project-management application whose records live where fluxstore says."""
