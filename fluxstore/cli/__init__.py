"""The command ``fluxstore``."""

from __future__ import annotations

import sys

from fluxstore.cli.signals import Signals


def main() -> None:
    """Run the command line of this process and exit with its code."""
    signals = Signals()
    try:
        signals.install()
        from fluxstore.cli.frame import run  # what takes long to import can be interrupted, too

        code = run(sys.argv[1:], signals)
    except KeyboardInterrupt:
        code = signals.exit_code
    finally:
        signals.uninstall()
    sys.exit(code)
