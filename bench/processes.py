"""The processes under measurement: started here, looked at from outside, and gone afterwards."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.fake_provider.metronome import Pace

from .answers import API_KEY, Job
from .load import Outcome

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 90.0
STOP_SECONDS = 40.0


def run_job(job: Job) -> Outcome:
    """Lets the people of another process ask, and waits for all their answers."""
    command = [sys.executable, "-m", "bench.load"]
    done = subprocess.run(
        command, input=json.dumps(asdict(job)), stdout=subprocess.PIPE, cwd=ROOT, text=True, check=True
    )
    return Outcome(**json.loads(done.stdout))


class Provider:
    """`python -m tests.fake_provider`."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.fake_provider"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
        assert self._process.stdout
        self.base_url = self._process.stdout.readline().strip()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        stop(self._process)

    def set_pace(self, pace: Pace) -> None:
        url = self.base_url.removesuffix("/v1") + "/pace"
        urllib.request.urlopen(url, json.dumps(asdict(pace)).encode(), timeout=5).close()


class Server:
    """`python manage.py serve` as an operator runs it, on a fresh folder; the environment is otherwise empty."""

    def __init__(self, provider_url: str) -> None:
        self._provider_url = provider_url
        # Whatever unprivileged user the database runs as must be able to reach its folder.
        self._folder = Path(tempfile.mkdtemp(prefix="bench-"))
        self._folder.chmod(0o755)
        self._log = self._folder / "log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        command = [sys.executable, "manage.py", "serve"]
        with self._log.open("wb") as log:
            # In a session of its own Ctrl-C does not reach it: it is stopped in order, when the rows are.
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment(), stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        stop(self._process)
        for process in processes_of(str(self._folder)):
            print(f"left running after the stop, killed: {process}", file=sys.stderr)
            process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _environment(self) -> dict[str, str]:
        # Settings of whoever runs the benchmark would change its figures.
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "DATABASE_URL") if name in os.environ}
        return kept | {
            "PORT": str(self.port),
            "INTERNAL_API_KEY": API_KEY,
            "PROVIDER_NAME": "custom",
            "PROVIDER_MODEL": "fake",
            "PROVIDER_API_KEY": "x",
            "PROVIDER_BASE_URL": self._provider_url,
            "PERSISTENT_STORAGE_DIR": str(self._folder / "storage"),
            "DATABASE_POOL_SIZE": "10",
        }

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the server did not start:\n{self.log_end()}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        headers = {"X-CC-API-KEY": API_KEY, "X-CC-EMAIL": "start@bench.example"}
        request = urllib.request.Request(self.url + "/api/chat/history", headers=headers)
        try:
            urllib.request.urlopen(request, timeout=5).close()
        except (urllib.error.URLError, OSError):
            return False
        return True

    def log_end(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]

    def processes(self) -> list[psutil.Process]:
        """The server and its children, without those of the database."""
        family = [psutil.Process(self._process.pid), *psutil.Process(self._process.pid).children(recursive=True)]
        return [process for process in family if "postgres" not in process.name()]

    def cpu_seconds(self) -> float:
        return float(sum(sum(process.cpu_times()[:2]) for process in self.processes()))

    def memory(self) -> float:
        """Resident memory in MB."""
        return float(sum(process.memory_info().rss for process in self.processes()) / 1e6)


def free_port() -> int:
    # Taken and given back, because the server wants a number; nobody else on the machine is likely to get it meanwhile.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"did not stop within {STOP_SECONDS:.0f} s, killed: {process.args!r}", file=sys.stderr)
        process.kill()
        process.wait()


def processes_of(folder: str) -> list[psutil.Process]:
    """Processes, of the database for one, that were started for this folder or work in it."""
    everyone = psutil.process_iter(["cmdline", "cwd"])
    return [one for one in everyone if folder in " ".join([*(one.info["cmdline"] or []), one.info["cwd"] or ""])]
