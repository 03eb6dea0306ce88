"""Where the embedded Postgres listens: a Unix socket in a private folder."""

import os
import socket
import stat
import struct
import sys
import tempfile
from pathlib import Path

from ccagent.embedded_backend.binaries import Owner

PORT = 5432


def socket_folder(lock: int, user: Owner | None) -> str:
    """The private folder of the server's socket, by a path short enough for one; server.lock remembers it.

    The folder of a server that died is used again, so that clients find the new server where the old one was.
    """
    path = os.pread(lock, 4096, 0).decode()
    if not path or not _reusable(Path(path), user):
        path = tempfile.mkdtemp(prefix="ccagent-pg-", dir="/tmp" if os.access("/tmp", os.W_OK) else None)
        if user:
            os.chown(path, *user)
        os.ftruncate(lock, 0)
        os.pwrite(lock, path.encode(), 0)
    return path


def _reusable(folder: Path, user: Owner | None) -> bool:
    """Whether the folder is, or now was made, the server's user's alone, with no socket in it."""
    try:
        if not os.path.lexists(folder):
            folder.mkdir(mode=0o700)
            if user:
                os.chown(folder, *user)
        found = folder.lstat()
        private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700
        # Somebody listens there when the whole storage folder is a copy of one in use.
        if not private or found.st_uid != (user.uid if user else os.geteuid()) or listener(str(folder)):
            return False
        for leftover in folder.glob(".s.PGSQL.*"):
            leftover.unlink()
    except OSError:
        return False
    return True


def listener(folder: str) -> int | None:
    """The process that listens in the folder, as the kernel says: a number in a file may be a stranger's by now."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(f"{folder}/.s.PGSQL.{PORT}")
        except OSError:
            return None
        if sys.platform == "darwin":
            return client.getsockopt(0, 2) or None  # SOL_LOCAL, LOCAL_PEERPID
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid: int = struct.unpack("3i", credentials)[0]
        return pid or None
