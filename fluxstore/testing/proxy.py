"""A TCP proxy that cuts, holds back and slows a connection at a byte string of the client's.

A connection that is cut carries no error code: whether the server did what it was told is unknown,
which is the point. Connections to a Unix socket go through as those to a port do.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Literal

import attrs

Place = Literal["request", "reply"]
BLOCK_BYTES = 65536


@attrs.define
class Cut:
    """Where a connection is to be cut: once, at a request that holds *marker*, or at its reply."""

    marker: bytes
    place: Place
    keeps_server: bool
    happened: threading.Event = attrs.field(factory=threading.Event)


class Proxy:
    """Forwards connections to *upstream*: a Unix socket's path, or host and port."""

    def __init__(self, upstream: str | tuple[str, int]) -> None:
        """Listen on a free port of this machine."""
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.delay_seconds = 0.0
        """How much later each block arrives, both ways."""
        self._flows = threading.Event()
        self._flows.set()
        self._cuts: list[Cut] = []
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._start(self._accept)

    def cut(self, marker: bytes, place: Place, *, keeps_server: bool = False) -> threading.Event:
        """Cut the next connection whose client sends *marker*; the event tells that it happened.

        ``request``: the server never sees it; ``reply``: it does, and the client hears nothing.
        Keeping the server, its side stays open, as after a machine that vanished.
        """
        made = Cut(marker, place, keeps_server)
        self._cuts.append(made)
        return made.happened

    def hold(self) -> None:
        """Let nothing through any more, both ways, without closing anything."""
        self._flows.clear()

    def release(self) -> None:
        """Let everything through again."""
        self._flows.set()

    def sever(self) -> None:
        """Close every connection that is open."""
        with self._lock:
            ends, self._open = self._open, []
        for end in ends:
            _close(end)

    def close(self) -> None:
        """Stop listening and close everything."""
        _close(self._listener)
        self.release()
        self.sever()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            try:
                server = self._connected()
            except OSError:
                _close(client)
                continue
            with self._lock:
                self._open += [client, server]
            cuts: list[Cut] = []
            self._start(self._requests, client, server, cuts)
            self._start(self._replies, client, server, cuts)

    def _connected(self) -> socket.socket:
        if isinstance(self._upstream, str):
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._upstream)
            return server
        return socket.create_connection(self._upstream)

    def _requests(self, client: socket.socket, server: socket.socket, cuts: list[Cut]) -> None:
        while block := self._received(client):
            cut = self._cut_at(block)
            if cut is not None and cut.place == "request":
                self._end(cut, client, server)
                return
            cuts += [cut] if cut is not None else []
            if not _sent(server, block):
                break
        if not any(cut.keeps_server for cut in cuts):
            _close(server)

    def _replies(self, client: socket.socket, server: socket.socket, cuts: list[Cut]) -> None:
        while block := self._received(server):
            if cuts:
                self._end(cuts[0], client, server)
                return
            if not _sent(client, block):
                return
        _close(client)

    def _received(self, end: socket.socket) -> bytes:
        try:
            block = end.recv(BLOCK_BYTES)
        except OSError:
            return b""
        if self.delay_seconds:
            time.sleep(self.delay_seconds)
        self._flows.wait()
        return block

    def _cut_at(self, block: bytes) -> Cut | None:
        with self._lock:
            for cut in self._cuts:
                if cut.marker in block:
                    self._cuts.remove(cut)
                    return cut
        return None

    def _end(self, cut: Cut, client: socket.socket, server: socket.socket) -> None:
        _close(client)
        if not cut.keeps_server:
            _close(server)
        cut.happened.set()

    def _start(self, work: object, *args: object) -> None:
        threading.Thread(target=work, args=args, daemon=True).start()  # type: ignore[arg-type]


def _sent(end: socket.socket, block: bytes) -> bool:
    try:
        end.sendall(block)
    except OSError:
        return False
    return True


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
