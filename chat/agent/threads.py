"""Threads for tools that are plain functions."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

from django.db import close_old_connections

MAX_THREADS = 32
_LOOK_SECONDS = 0.02
free = threading.BoundedSemaphore(MAX_THREADS)


async def in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Runs a function in a thread for itself, as soon as one of ``MAX_THREADS`` is free.

    Nobody waits for such a thread when the caller gives up or the process ends: a function that hangs cannot be ended,
    it only keeps its place. A pool of the standard library's would wait for it at the end.
    """
    # Polled, because the threads that give a place back know nothing of the event loops that wait.
    places = free
    while not places.acquire(blocking=False):  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_SECONDS)
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if not ended.done():
            ended.set_result((result, error))

    def work() -> None:
        result, failure = None, None
        try:
            result = context.run(function, *args, **kwargs)
        except BaseException as error:  # whatever it is belongs to who waits, and must not end the thread unheard
            failure = error
        finally:
            close_old_connections()
            places.release()
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=work, name=f"tool {function.__name__}", daemon=True).start()
    result, failure = await ended
    if failure is None:
        return result
    # These mean something else to an event loop than a tool's failure.
    if isinstance(failure, StopIteration | SystemExit | KeyboardInterrupt | asyncio.CancelledError):
        raise RuntimeError(type(failure).__name__) from failure
    raise failure
