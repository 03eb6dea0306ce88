"""context/worker.py and worker_pool.py: hostile work in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from context import worker_pool
from context.extract.base import Unreadable
from context.worker_pool import Worker, WorkerPool
from tests.conftest import ROOT
from tests.hostile import DOCUMENTS

TEXT = "George is the king of the jungle. " * 1000
WORD = (DOCUMENTS / "returns.docx").read_bytes()
Fake = Callable[[str], object]


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool()
    yield pool
    for worker in list(pool._idle):
        pool._let_go(worker)


@pytest.fixture
def word_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Puts a program in the place of the library that reads Word."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return (tmp_path / "docx.py").write_text


def refused(pool: WorkerPool, content: bytes = WORD) -> str:
    with pytest.raises(Unreadable) as refusal:
        pool.prepare(content, "", "")
    return str(refusal.value)


def reads(pool: WorkerPool) -> bool:
    return pool.prepare(TEXT, "", "").language == "english"


def idle_pid(pool: WorkerPool) -> int:
    (worker,) = pool._idle
    return worker.process.pid


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# One after the other.


def test_a_worker_is_used_again(pool: WorkerPool) -> None:
    assert reads(pool)
    first = idle_pid(pool)
    assert reads(pool)
    assert idle_pid(pool) == first


def test_a_worker_is_used_again_after_something_unreadable(pool: WorkerPool) -> None:
    refused(pool, b"\x89PNG\r\n\x1a\n")
    first = idle_pid(pool)
    assert reads(pool)
    assert idle_pid(pool) == first


def test_a_worker_that_holds_much_memory_is_replaced(pool: WorkerPool, word_reader: Fake) -> None:
    word_reader("import sys; sys.kept = bytearray(250_000_000)")
    refused(pool)
    assert not pool._idle


def test_a_worker_is_replaced_after_a_hundred_jobs(pool: WorkerPool) -> None:
    for _ in range(99):
        refused(pool, b"")
    assert len(pool._idle) == 1
    refused(pool, b"")
    assert not pool._idle


def test_an_idle_worker_leaves(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "IDLE_SECONDS", 0.5)
    assert reads(pool)
    pid = idle_pid(pool)
    wait_until(lambda: not pool._idle and not psutil.pid_exists(pid))


def test_an_idle_worker_that_died_is_replaced(pool: WorkerPool) -> None:
    assert reads(pool)
    os.kill(idle_pid(pool), signal.SIGKILL)
    psutil.Process(idle_pid(pool)).wait(10)
    assert reads(pool)


# A job that goes wrong.


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("bytearray(2_000_000_000)", "too much memory"),
        ("import os; os.abort()", "breaks its reader"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "breaks its reader"),
        ("import os; os._exit(0)", "breaks its reader"),
        ("raise KeyError", "damaged"),
        ("def again(): again()\nagain()", "damaged"),
    ],
)
def test_a_reader_that_goes_wrong_costs_a_sentence(
    pool: WorkerPool, word_reader: Fake, program: str, words: str
) -> None:
    word_reader(program)
    assert words in refused(pool)
    assert reads(pool)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import time; time.sleep(1000)", "too long"),
        ("while True: pass", "too long"),
        ("import signal, time; signal.alarm(0); time.sleep(1000)", "breaks its reader"),
    ],
)
def test_a_reader_that_hangs_is_ended(
    pool: WorkerPool, word_reader: Fake, monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    word_reader(program)
    with monkeypatch.context() as patch:
        patch.setattr(worker_pool, "JOB_SECONDS", 1)
        patch.setattr(worker_pool, "_GRACE_SECONDS", 1)
        assert words in refused(pool)
    assert reads(pool)


def test_what_a_document_holds_is_not_logged(
    pool: WorkerPool, word_reader: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    word_reader("raise KeyError('a secret of the document')")
    refused(pool)
    assert "builtins.KeyError" in caplog.text
    assert "secret" not in caplog.text


def test_what_a_reader_prints_disturbs_nothing(pool: WorkerPool, word_reader: Fake) -> None:
    word_reader("print('noise' * 1000, flush=True); raise KeyError")
    assert "damaged" in refused(pool)
    assert reads(pool)


# What a worker has and may do.


def test_a_worker_knows_no_secrets(pool: WorkerPool, word_reader: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_API_KEY", "hush")
    word_reader(
        "import os; from context.extract.base import Unreadable; raise Unreadable(' '.join(sorted(os.environ)))"
    )
    assert set(refused(pool).split()) <= {*worker_pool._KEPT_VARIABLES, "MALLOC_ARENA_MAX", "LC_CTYPE"}


def test_a_worker_has_no_connections_of_the_server(pool: WorkerPool) -> None:
    assert reads(pool)
    assert psutil.Process(idle_pid(pool)).num_fds() == 4


def test_a_worker_loads_neither_django_nor_settings() -> None:
    program = "import sys, context.worker; print({'django', 'psycopg', 'ccagent.settings'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True).strip() == "set()"


def test_the_server_loads_no_reader() -> None:
    program = (
        "import sys; from context.prepare import prepare; prepare('George is king.');"
        "print({'lxml', 'trafilatura', 'docx', 'pptx', 'chardet', 'pypdfium2'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True).strip() == "set()"


def test_a_worker_writes_no_files(pool: WorkerPool, word_reader: Fake, tmp_path: Path) -> None:
    word_reader(f"open({str(tmp_path / 'written')!r}, 'w', buffering=1).write('x' * 10_000)")
    refused(pool)
    assert (tmp_path / "written").read_text() == ""


def test_at_most_two_work_at_once(pool: WorkerPool, word_reader: Fake) -> None:
    program = "import os, time; from context.extract.base import Unreadable; time.sleep(0.05)"
    word_reader(f"{program}; raise Unreadable(str(os.getpid()))")
    with ThreadPoolExecutor(6) as threads:
        pids = set(threads.map(lambda _: refused(pool), range(12)))
    assert len(pids) == 2


def test_who_waits_too_long_is_told(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "WAIT_SECONDS", 0.01)
    with pool._worker(), pool._worker():
        assert "try again in a minute" in refused(pool)


# Whoever took a worker over can say anything.


class Liar(Worker):
    def __init__(self, answer: dict[str, Any], body: bytes) -> None:
        self.said = answer, body

    def ask(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:  # noqa: ARG002
        return self.said


GOOD: dict[str, Any] = {"title": "", "language": "english", "headings": [""], "chunks": [[0, 2, 0]]}


@pytest.mark.parametrize(
    "lie",
    [
        {"language": "english'; DROP TABLE"},
        {"language": ["english"]},
        {"title": 1},
        {"chunks": [[0, 3, 0]]},
        {"chunks": [[-2, 2, 0]]},
        {"chunks": [[0, 0, 0]]},
        {"chunks": [[0, 2, 1]]},
        {"chunks": [["0", 2, 0]]},
        {"chunks": 3},
        {"headings": [None]},
    ],
)
def test_a_lie_is_refused(lie: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, IndexError)):
        worker_pool._understood(GOOD | lie, b"Hi")


@pytest.mark.parametrize("body", [b"\xff\xff", b"H\0", "\ud800".encode("utf-8", "surrogatepass")])
def test_a_text_that_postgres_cannot_hold_is_refused(body: bytes) -> None:
    with pytest.raises((UnicodeDecodeError, ValueError)):
        worker_pool._understood(GOOD, body)


# The server's end.

SERVER = """
import sys, threading, time
from context.prepare import _pool
from tests.hostile import DOCUMENTS
_pool.prepare("x" * 50_000, "", "")
print(*(worker.process.pid for worker in _pool._idle), flush=True)
if sys.argv[1] == "busy":
    _pool.prepare((DOCUMENTS / "returns.docx").read_bytes(), "", "")
time.sleep(1000)
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_a_server_that_is_killed_leaves_no_worker(state: str, word_reader: Fake, tmp_path: Path) -> None:
    word_reader(f"from pathlib import Path; import time; open({str(tmp_path / 'on')!r}, 'w'); time.sleep(1000)")
    command = [sys.executable, "-c", SERVER, state]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        worker = psutil.Process(int(server.stdout.readline()))
        wait_until(lambda: state == "idle" or (tmp_path / "on").exists())
        server.kill()
    wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
