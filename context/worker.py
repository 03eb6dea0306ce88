"""The process that reads what strangers send: ``python -m context.worker``, started and ended by worker_pool.

It has no Django, no database, no keys, and limits that the kernel holds. It ends when its standard input does.
"""

import fcntl
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from context.extract.base import Unreadable
from context.reading import Prepared, read
from context.worker_protocol import BrokenPipe, packed, receive, send, unpacked

MEMORY_BYTES = 1_000_000_000
# Then it gives way to a new one: libraries keep some of what large files made them ask for.
_MAX_JOBS = 100
_MAX_KEPT_BYTES = 200_000_000
_TOO_MUCH_MEMORY = "Reading this needs too much memory: split it into smaller parts."


def main() -> None:
    # What a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _limit()
    for number in range(1, _MAX_JOBS + 1):
        try:
            head, body = receive(sys.stdin.buffer)
        except BrokenPipe:
            return
        with _Watch(head["seconds"]):
            answer, text = _answer(head, body)
        last = number == _MAX_JOBS or _kept_bytes() > _MAX_KEPT_BYTES
        send(answers, answer | {"last": last}, text)
        if last:
            return


def _limit() -> None:
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_NPROC: 0,
    }
    for limit, most in limits.items():
        # Not every system knows them all, and a container may have set a lower one.
        with suppress(OSError, ValueError):
            resource.setrlimit(limit, (most, most))
    os.nice(10)
    # Where memory ends all the same, the kernel takes the worker before the server.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


class _Watch:
    """Ends the process, from the kernel, when a job takes too long or the server dies in the middle of it."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        signal.alarm(self._seconds)
        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        self._tell(os.O_ASYNC)

    def __exit__(self, *_: object) -> None:
        self._tell(0)
        signal.alarm(0)

    def _tell(self, flag: int) -> None:
        """With ``O_ASYNC`` the end of the input is a SIGIO, which nobody handles."""
        flags = fcntl.fcntl(0, fcntl.F_GETFL)
        fcntl.fcntl(0, fcntl.F_SETFL, flags & ~os.O_ASYNC | flag)


def _answer(head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    content = unpacked(body, "surrogatepass") if head["is_text"] else body
    try:
        return _described(read(content, head["name"], head["content_type"]))
    except Unreadable as error:
        return {"unreadable": str(error)}, b""
    except MemoryError:
        return {"unreadable": _TOO_MUCH_MEMORY}, b""
    # The libraries have no common error for a broken file, and raise many kinds.
    except Exception as error:
        return {"stumbled": f"{type(error).__module__}.{type(error).__qualname__}"}, b""


def _described(prepared: Prepared) -> tuple[dict[str, Any], bytes]:
    headings = list(dict.fromkeys(chunk.heading for chunk in prepared.chunks))
    places = {heading: place for place, heading in enumerate(headings)}
    chunks = [(chunk.start, len(chunk.text), places[chunk.heading]) for chunk in prepared.chunks]
    head = {"title": prepared.title, "language": prepared.language, "headings": headings, "chunks": chunks}
    return head, packed(prepared.text)


def _kept_bytes() -> int:
    """What it holds now. The kernel's own peak would count the server's memory at the time of the start."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


if __name__ == "__main__":
    main()
