"""Database work from async code."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import close_old_connections

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# Fewer threads than connections, so that a burst of turns leaves some to the plain views. Not Django's own
# sync_to_async: it would run all of them on the one thread of the request that happened to start the turn.
_executor = ThreadPoolExecutor(max(1, settings.ENV.database_pool_size - 2), thread_name_prefix="database")


async def in_database(
    function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Runs ORM code in a thread and gives its connection back to the pool at once."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_executor, lambda: _in_thread(function, *args, **kwargs))


def _in_thread(function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()
