"""Database work from async code."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import OperationalError, close_old_connections
from psycopg_pool import PoolTimeout

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# Fewer threads than connections, so that a burst of turns leaves some to the plain views. Not Django's own
# sync_to_async: it would run all of them on the one thread of the request that happened to start the turn.
_executor = ThreadPoolExecutor(max(1, settings.ENV.database_pool_size - 2), thread_name_prefix="database")
_no_connection_at = 0.0
_views = ThreadPoolExecutor(200, thread_name_prefix="view")


async def in_database(
    function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Runs ORM code in a thread and gives its connection back to the pool at once."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_executor, _in_turn, time.monotonic(), partial(function, *args, **kwargs))


def _in_turn(asked_at: float, work: Callable[[], Result]) -> Result:
    """Who waited for a thread while somebody else waited in vain for a connection does not do that too."""
    global _no_connection_at
    if asked_at < _no_connection_at:
        raise OperationalError("no connection while this waited for its turn")
    try:
        return _in_thread(work)
    except OperationalError as error:
        if isinstance(error.__cause__, PoolTimeout):
            _no_connection_at = time.monotonic()
        raise


def in_view_thread(
    view: Callable[Parameters, Result],
) -> Callable[Parameters, Coroutine[Any, Any, Result]]:
    """The synchronous view as a coroutine, in a thread of its own kind."""
    return sync_to_async(partial(_in_thread, view), thread_sensitive=False, executor=_views)


def _in_thread(function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()
