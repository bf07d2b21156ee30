"""What a careful operator would ask before a command runs."""

from __future__ import annotations

import re
import stat
from pathlib import Path

_PASSWORD = re.compile(
    r"""(?ix) ^ (?!\s*\#) .* (?:
        :// [^:/@\s"']* : (?!\$\{) [^@\s"']+ @       # a password in a URL
      | \b (?:password|passwd|secret|token) \s* = \s* ["']? (?!\s*["']?\$\{) [^\s"']
    )"""
)


def exposed_secret(file: Path) -> str:
    """Return a warning where *file* holds a password and others may read it, else nothing."""
    try:
        mode = file.stat().st_mode
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""  # the loader says what is wrong with it
    if not mode & (stat.S_IRGRP | stat.S_IROTH) or not any(map(_PASSWORD.search, lines)):
        return ""
    return (
        f"{file}: it holds a password and other users can read it; "
        f"write ${{NAME}} or ${{file:…}} instead, or run: chmod 600 {file}"
    )
