"""Disks of a scenario's own: cut off without warning, full, or read-only. They need root."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from importlib.util import find_spec
from pathlib import Path

_SHUT_DOWN = 0x8004587D  # XFS_IOC_GOINGDOWN, which ext4 has too (linux/fs.h: EXT4_IOC_SHUTDOWN)
_WITHOUT_FLUSHING_THE_LOG = 2
_MEBIBYTES = {"ext4": 192, "xfs": 320}
_TRY_SECONDS = 30.0


THROUGH = Path(__file__).resolve().parent.parent / "through.py"


def why_no_fuse() -> str:
    """Return why no file system of another kind can be mounted here, or an empty text."""
    if find_spec("fuse") is None or find_library("fuse") is None:
        return "needs fusepy and libfuse2"
    return "" if Path("/dev/fuse").exists() else "needs /dev/fuse"


def why_not(kind: str = "ext4") -> str:
    """Return why no such disk can be made here, or an empty text."""
    if os.geteuid() != 0:
        return "needs root, to mount a disk"
    if kind != "tmpfs" and shutil.which(f"mkfs.{kind}") is None:
        return f"needs mkfs.{kind}"
    probe = ["unshare", "--mount", "true"]
    return "" if subprocess.run(probe, check=False).returncode == 0 else "mounting is not allowed"


class Disk:
    """A file system in a file, mounted at ``place``."""

    def __init__(self, folder: Path, kind: str = "ext4") -> None:
        """Make it and mount it."""
        self.kind, self.image, self.place = kind, folder / "disk.img", folder / "disk"
        with self.image.open("wb") as image:
            image.truncate(_MEBIBYTES[kind] << 20)
        _run(f"mkfs.{kind}", "-q", str(self.image))
        self.place.mkdir()
        self.mount()

    def mount(self) -> None:
        """Mount it; the file system recovers as it does after a power cut."""
        options = "loop,errors=remount-ro" if self.kind == "ext4" else "loop"
        _run("mount", "-o", options, str(self.image), str(self.place))

    def cut_power(self) -> None:
        """Lose, at once, everything that was not written down for good; later calls fail."""
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUT_DOWN, struct.pack("I", _WITHOUT_FLUSHING_THE_LOG))
        finally:
            os.close(descriptor)

    def restart(self) -> None:
        """Unmount, once nobody uses it any more, and mount again."""
        self.unmount()
        self.mount()

    def become_read_only(self) -> None:
        """Have it read-only from now on, files that are open included; ``mend`` ends that.

        A remount is refused while a file is open for writing; ext4 does not ask after an error.
        Nobody may be writing meanwhile: an ``fdatasync`` under way at that moment can succeed, and
        what it flushed be gone. (A program of four threads that append and flush, and do nothing
        else, lost in one try of three what had been acknowledged up to 5 ms later: Linux 6.18.)
        """
        found = _run("findmnt", "--noheadings", "--output", "SOURCE", str(self.place))
        device = Path(found.strip()).name
        Path("/sys/fs/ext4", device, "trigger_fs_error").write_text("a scenario asked for it")
        until = time.monotonic() + _TRY_SECONDS
        while self._takes_writes():
            if time.monotonic() > until:
                raise AssertionError("the disk does not become read-only")
            time.sleep(0.01)

    def _takes_writes(self) -> bool:
        probe = self.place / ".probe"
        try:
            with probe.open("wb", buffering=0) as file:
                os.fsync(file.fileno())
            probe.unlink()
        except OSError:
            return False
        return True

    def mend(self) -> None:
        """Check the disk and mount it again, once nobody uses it any more."""
        self.unmount()
        checked = subprocess.run(
            ["fsck.ext4", "-f", "-p", str(self.image)], check=False, capture_output=True, text=True
        )
        if checked.returncode > 1:  # 1: it is right now
            raise AssertionError(f"the disk is beyond repair: {checked.stdout}")
        self.mount()

    def unmount(self) -> None:
        """Unmount it, once its last user has let go."""
        _until_done("umount", str(self.place))


@contextmanager
def disk(folder: Path, kind: str = "ext4") -> Iterator[Disk]:
    """Yield a disk in *folder*, unmounted afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Disk(folder, kind)
    try:
        yield made
    finally:
        subprocess.run(["umount", "--lazy", str(made.place)], check=False, capture_output=True)


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """Yield a folder that holds no more than *size* (``64k``)."""
    place.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False, capture_output=True)


@contextmanager
def network_disk(folder: Path, kind: str) -> Iterator[Path]:
    """Yield a folder that the kernel says is on a network file system, ``sshfs`` say."""
    there, place = folder / "there", folder / "place"
    there.mkdir()
    place.mkdir()
    server = subprocess.Popen([sys.executable, str(THROUGH), str(there), str(place), kind])
    until = time.monotonic() + _TRY_SECONDS
    while not place.is_mount():
        if server.poll() is not None or time.monotonic() > until:
            raise AssertionError("the pass-through is not mounted")
        time.sleep(0.02)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False, capture_output=True)
        server.wait(_TRY_SECONDS)


@contextmanager
def filled(place: Path) -> Iterator[None]:
    """Have no room left on the disk of *place* while the context lasts."""
    filler = place / ".filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 512, 1):
            _write_until_full(file.fileno(), b"\0" * size)
    try:
        yield
    finally:
        filler.unlink()


def _write_until_full(descriptor: int, block: bytes) -> None:
    try:
        while os.write(descriptor, block):
            pass
    except OSError:
        return


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _until_done(*command: str) -> None:
    """Run a command again until it succeeds: files of a killed process are let go of late."""
    until = time.monotonic() + _TRY_SECONDS
    while subprocess.run(command, check=False, capture_output=True).returncode != 0:
        if time.monotonic() > until:
            _run(*command)
        time.sleep(0.05)
