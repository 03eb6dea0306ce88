"""What the soak breaks: the server in one process, its Postgres in another."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

import psutil
import psycopg

from ccagent.embedded_backend.sockets import listener

from .processes import ROOT, START_SECONDS, free_port, stop

DRAIN_SECONDS = 3.0
POOL_SIZE = 10
KEY = "soak"


class Database(Protocol):
    """A database of the soak's own, whose server can be struck down."""

    url: str

    def strike(self, number: signal.Signals) -> None:
        """Ends the database server by a signal; returns once it answers again."""

    def close(self) -> None: ...


class EmbeddedDatabase:
    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "bench.soak_postgres", str(folder)]
        self._holder = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._holder.stdout
        details = json.loads(self._holder.stdout.readline())
        self.host: str = details["host"]
        self.url = f"postgresql://{details['user']}:{details['password']}@/ccagent?host={quote(self.host)}"

    def strike(self, number: signal.Signals) -> None:
        struck = listener(self.host)
        assert struck, "Postgres is not there"
        os.kill(struck, number)
        deadline = time.monotonic() + START_SECONDS
        while listener(self.host) in (None, struck) or not answers(self.url):
            assert time.monotonic() < deadline, "Postgres does not come back"
            time.sleep(0.05)

    def close(self) -> None:
        assert self._holder.stdin
        self._holder.stdin.close()
        self._holder.wait(START_SECONDS)


class GivenDatabase:
    """On a server of somebody else's, which stays up: only its connections to the soak's database are ended."""

    NAME = f"ccagent_soak_{os.getpid()}"

    def __init__(self, url: str) -> None:
        self._url = url
        self._execute(f'CREATE DATABASE "{self.NAME}"')
        self.url = urlsplit(url)._replace(path=f"/{self.NAME}").geturl()

    def strike(self, number: signal.Signals) -> None:  # noqa: ARG002
        self._execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.NAME}'")

    def close(self) -> None:
        self._execute(f'DROP DATABASE "{self.NAME}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(statement.encode())


def database(folder: Path) -> Database:
    if url := os.environ.get("DATABASE_URL"):
        print("Postgres is given: instead of a restart its connections are ended.")
        return GivenDatabase(url)
    return EmbeddedDatabase(folder / "postgres")


def answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


@dataclass(frozen=True)
class Level:
    """What an idle server holds; memory in MB."""

    files: int
    memory: float
    tasks: list[str]
    threads: list[str]
    connections: int = 0


class Server:
    """`manage.py serve`, ended and started again on the same port; all its output goes into one log."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self.log = folder / "log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._inside = folder / "inside"
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self._environment = kept | {
            "PORT": str(self.port),
            "INTERNAL_API_KEY": KEY,
            "PROVIDER_NAME": "custom",
            "PROVIDER_MODEL": "fake",
            "PERSISTENT_STORAGE_DIR": str(folder / "storage"),
            "DATABASE_POOL_SIZE": str(POOL_SIZE),
            "DRAIN_SECONDS": str(DRAIN_SECONDS),
            "HISTORY_TOKENS": "1500",
            "SOAK_INSIDE": str(self._inside),
            **variables,
        }

    def start(self) -> None:
        """Returns once it answers."""
        command = [sys.executable, "-m", "bench.soak_serve"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the server did not start:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url + "/api/", timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def end(self, number: signal.Signals) -> int:
        """Returns the exit code, once the process is gone."""
        self._process.send_signal(number)
        return self._process.wait(START_SECONDS)

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        if self._process.poll() is None:
            stop(self._process)

    def level(self) -> Level:
        self._inside.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 5
        while not self._inside.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process = psutil.Process(self._process.pid)
        inside = json.loads(self._inside.read_text())
        return Level(process.num_fds(), process.memory_info().rss / 1e6, inside["tasks"], inside["threads"])
