"""x."""


class Checkpointer:
    """x."""
