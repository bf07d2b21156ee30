"""The fault harness: a workload with a history, a judge of it, injectors, and scenarios."""
