"""Which folders are on a network file system."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxstore.filesystems import network_file_system

MOUNTS = """\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
40 22 0:35 / /shared rw - nfs4 server:/export rw
41 40 8:2 / /shared/local rw - xfs /dev/sdb1 rw
42 22 0:36 / /with\\040blank rw shared:7 - cifs //server/share rw
43 22 0:37 / /mine rw - fuse.sshfs me@host: rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/me", ""),
        ("/shared", "nfs4"),
        ("/shared/data", "nfs4"),
        ("/shared2", ""),
        ("/shared/local/data", ""),
        ("/with blank/data", "cifs"),
        ("/mine/data", "fuse.sshfs"),
    ],
)
def test_the_innermost_mount_decides(tmp_path, folder, kind):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)

    assert kind == network_file_system(Path(folder), mounts)


def test_without_the_kernels_list_nothing_is_claimed(tmp_path):
    assert "" == network_file_system(tmp_path, tmp_path / "none")


def test_the_machine_this_runs_on_is_read(tmp_path):
    assert isinstance(network_file_system(tmp_path), str)
