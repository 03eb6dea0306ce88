"""At most two workers, started when there is something to read and gone a minute after."""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ccagent.text import clean
from context.chunks import Chunk
from context.extract.base import Unreadable
from context.languages import CONFIGURATIONS, UNKNOWN
from context.reading import Prepared
from context.worker_protocol import BrokenPipe, breathe, packed, receive, send, unpacked

logger = logging.getLogger(__name__)

MAX_WORKERS = 2
IDLE_SECONDS = 60.0
WAIT_SECONDS = 120.0
JOB_SECONDS = 45
# What is killed from here did not end by its own watch.
_GRACE_SECONDS = 5
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "LANG", "TZ")
_MAX_SENTENCE_CHARS = 300
_CHUNKS_AT_ONCE = 200
_BUSY = "Too many documents are being read at this moment: try again in a minute."
_DAMAGED = "This file is damaged, or of a form that cannot be read: save it anew and try again."
_TOO_SLOW = "Reading this takes too long: split it into smaller parts."
_BROKE = "Reading this needs too much memory or breaks its reader: split it, or save it in another format."


class Worker:
    """A process that reads one content after the other."""

    def __init__(self) -> None:
        environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-B", "-m", "context.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parent.parent,
            # Heaps of several threads would use up its limit of memory before anything is read.
            env=environment | {"MALLOC_ARENA_MAX": "1"},
            # Ctrl-C is for the server, which may still have to finish.
            start_new_session=True,
        )

    def ask(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """Raises ``Unreadable`` if the worker dies over it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        watch = threading.Timer(JOB_SECONDS + _GRACE_SECONDS, self.process.kill)
        watch.daemon = True
        watch.start()
        try:
            send(self.process.stdin, head | {"seconds": JOB_SECONDS}, body)
            return receive(self.process.stdout)
        except (OSError, BrokenPipe):
            raise Unreadable(_TOO_SLOW if self.end() == -signal.SIGALRM else _BROKE) from None
        finally:
            watch.cancel()

    def end(self) -> int:
        """Returns its exit code, which is a negative number for a signal."""
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        try:
            return self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class WorkerPool:
    """Its workers serve any thread; who comes while all are busy waits."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(MAX_WORKERS)
        self._lock = threading.Lock()
        self._idle: dict[Worker, threading.Timer] = {}

    def prepare(self, content: bytes | str, name: str, content_type: str) -> Prepared:
        """Raises ``Unreadable``, whatever the content does to its reader."""
        head = {"name": clean(name), "content_type": clean(content_type), "is_text": isinstance(content, str)}
        with self._worker() as worker:
            answer, body = worker.ask(head, packed(content) if isinstance(content, str) else content)
            if answer.get("last"):
                worker.end()
        if "stumbled" in answer:
            logger.warning("The reader of a document stumbled: %.200s.", clean(str(answer["stumbled"])))
            raise Unreadable(_DAMAGED)
        if "unreadable" in answer:
            raise Unreadable(clean(str(answer["unreadable"]))[:_MAX_SENTENCE_CHARS])
        try:
            return _understood(answer, body)
        except (KeyError, TypeError, ValueError, IndexError):
            raise Unreadable(_BROKE) from None

    @contextmanager
    def _worker(self) -> Iterator[Worker]:
        if not self._places.acquire(timeout=WAIT_SECONDS):
            raise Unreadable(_BUSY)
        try:
            worker = self._take()
            try:
                yield worker
            except BaseException:
                worker.end()
                raise
            self._give_back(worker)
        finally:
            self._places.release()

    def _take(self) -> Worker:
        with self._lock:
            while self._idle:
                worker, leave = self._idle.popitem()
                leave.cancel()
                if worker.process.poll() is None:
                    return worker
                worker.end()
        return Worker()

    def _give_back(self, worker: Worker) -> None:
        if worker.process.returncode is not None:
            return
        leave = threading.Timer(IDLE_SECONDS, self._let_go, [worker])
        leave.daemon = True
        with self._lock:
            self._idle[worker] = leave
        leave.start()

    def _let_go(self, worker: Worker) -> None:
        with self._lock:
            taken = self._idle.pop(worker, None) is None
        if not taken:
            worker.end()


def _understood(answer: dict[str, Any], body: bytes) -> Prepared:
    """Whatever a worker says is looked at before anything else sees it."""
    text = unpacked(body)
    language, headings = answer["language"], [clean(heading) for heading in answer["headings"]]
    if b"\0" in body or language not in (*CONFIGURATIONS.values(), UNKNOWN):
        raise ValueError
    chunks = []
    for number, (start, length, place) in enumerate(answer["chunks"], 1):
        if number % _CHUNKS_AT_ONCE == 0:
            breathe()
        if not 0 <= start < start + length <= len(text):
            raise ValueError
        chunks.append(Chunk(start, text[start : start + length], headings[place]))
    return Prepared(clean(answer["title"]), text, language, tuple(chunks))
