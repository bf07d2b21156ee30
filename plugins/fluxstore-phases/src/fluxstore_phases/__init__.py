"""The policy of a migration in phases: which backend answers, and which are written."""
