"""One listening socket per node, shared by every process that accepts from it.

The first process binds; the others get the very same socket from it, or from any other that holds
it, by descriptor over a Unix socket (SCM_RIGHTS, unix(7)). So the queue of waiting connections
belongs to no single process: one that stops or dies takes none of them with it, as it would with
one SO_REUSEPORT socket each.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import errno
import os
import socket
import stat
import tempfile
import time
from pathlib import Path

from tradeplane.errors import Misconfigured

_BACKLOG = 4_096
_ATTEMPTS = 100
_PAUSE_S = 0.05


def rendezvous(host: str, port: int) -> Path:
    """Return the folder in which the holders of *host*:*port* on this machine meet.

    Raises:
        Misconfigured: somebody else owns the folder, so its sockets cannot be trusted.
    """
    folder = Path(tempfile.gettempdir()) / f"tradeplane-{os.getuid()}" / f"{host}-{port}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for level in (folder, folder.parent):
        status = level.stat(follow_symlinks=False)
        if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):
            raise Misconfigured(f"{level} belongs to somebody else; remove it")
        level.chmod(0o700)
    return folder


class SharedPort:
    """A process's hold on the node's listening socket.

    Args:
        host: address to listen on.
        port: port to listen on.
    """

    def __init__(self, host: str, port: int) -> None:
        self.folder = rendezvous(host, port)
        self._address = (host, port)
        self._door: socket.socket | None = None
        self._path: Path | None = None
        self.listener = self._acquire()

    def _acquire(self) -> socket.socket:
        for _ in range(_ATTEMPTS):
            listener = self._from_a_peer() or self._by_binding()
            if listener is not None:
                listener.setblocking(False)
                return listener
            time.sleep(_PAUSE_S)
        host, port = self._address
        raise Misconfigured(
            f"port {port} of {host} is taken by another program; stop it or choose another port"
        )

    def _by_binding(self) -> socket.socket | None:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(self._address)
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE:
                return None
            raise Misconfigured(f"cannot listen on {self._address}: {error.strerror}") from error
        return listener

    def _from_a_peer(self) -> socket.socket | None:
        for path in sorted(self.folder.glob("*.door")):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
                door.settimeout(1.0)
                try:
                    door.connect(str(path))
                    descriptors = array.array("i")
                    _, ancillary, _, _ = door.recvmsg(1, socket.CMSG_SPACE(descriptors.itemsize))
                except ConnectionRefusedError:
                    path.unlink(missing_ok=True)  # its process has died
                    continue
                except OSError:
                    continue
                for level, kind, data in ancillary:
                    if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                        descriptors.frombytes(data[: descriptors.itemsize])
                        return socket.socket(fileno=descriptors[0])
        return None

    def hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the socket to every process of this user that asks, from now on."""
        self._path = self.folder / f"{os.getpid()}-{id(self)}.door"
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._door.setblocking(False)
        self._door.bind(str(self._path))
        self._door.listen(16)
        loop.add_reader(self._door, self._give)

    def _give(self) -> None:
        assert self._door is not None, "only an open door is read"
        with contextlib.suppress(OSError):
            peer, _ = self._door.accept()
            with peer:
                socket.send_fds(peer, [b"1"], [self.listener.fileno()])

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let go of the socket; it lives on in the other holders. Idempotent."""
        if self._door is not None:
            loop.remove_reader(self._door)
            self._door.close()
            self._door = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        self.listener.close()
