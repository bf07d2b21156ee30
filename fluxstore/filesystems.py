"""What a folder is on: a disk of this machine's, or one that other machines share."""

from __future__ import annotations

import os
from pathlib import Path

_NETWORK = frozenset(
    {"afs", "ceph", "cifs", "ncpfs", "nfs", "nfs3", "nfs4", "smb", "smb2", "smb3", "smbfs"}
    | {"fuse.ceph", "fuse.gcsfuse", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "fuse.smbnetfs"}
)
_MOUNTS = Path("/proc/self/mountinfo")


def network_file_system(path: Path, mounts: Path = _MOUNTS) -> str:
    """Return the kind of network file system that *path* is on, or an empty string.

    There locks, ``rename`` and ``fsync`` mean less than on a disk. Known on Linux only; *mounts* is
    the kernel's list (proc(5), mountinfo).
    """
    real = os.path.realpath(path)
    best, kind = "", ""
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        before, _, after = line.partition(" - ")
        mount = before.split(" ")[4].encode().decode("unicode_escape")
        inside = real == mount or real.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, after.split(" ")[0]
    return kind if kind in _NETWORK else ""
