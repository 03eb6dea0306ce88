"""Everything that the doctor looks at, in one go."""

import asyncio
import logging
from collections.abc import Awaitable, Sequence

from ccagent.database import in_database
from chat.prompts import in_force
from operators.doctor import database, installation, provider, shared, stream, vectors
from operators.doctor.report import Level, Line, failure
from operators.doctor.secrets import without_secrets

logger = logging.getLogger(__name__)

SECONDS = 30.0
"""Longest that one of the checks may take."""


async def examine() -> list[Line]:
    """All lines, in the order in which they matter; takes as long as the slowest check, and never raises."""
    base = await asyncio.gather(
        _in_time("settings", asyncio.to_thread(installation.look)),
        _in_time("database", _one(asyncio.to_thread(database.reach))),
        _in_time("disk", _one(asyncio.to_thread(database.disk))),
    )
    inside = [] if _has_failure(base[1]) else await _in_time("database", in_database(database.look))
    usable = bool(inside) and not _has_failure(inside)
    rest = await asyncio.gather(
        _in_time("redis", shared.look()),
        _in_time("model", _models(usable)),
        *([_in_time("embeddings", vectors.look())] if usable else []),
        _in_time("stream", stream.look()),
    )
    return [without_secrets(line) for group in (*base, inside, *rest) for line in group]


def _has_failure(lines: Sequence[Line]) -> bool:
    return any(line.level is Level.FAILURE for line in lines)


async def _models(has_database: bool) -> list[Line]:
    prompt = await in_database(in_force) if has_database else None
    return await provider.look(prompt.model if prompt else "")


async def _one(line: Awaitable[Line]) -> Sequence[Line]:
    return [await line]


async def _in_time(about: str, check: Awaitable[Sequence[Line]]) -> Sequence[Line]:
    try:
        async with asyncio.timeout(SECONDS):
            return await check
    except TimeoutError:
        return [failure(about, f"It could not be looked at within {SECONDS:.0f} s.", "Look whether it answers at all.")]
    except Exception as bug:  # what one check stumbles over must not hide what the others found
        logger.debug("The doctor's look at %s failed", about, exc_info=True)
        return [
            failure(
                about, f"It could not be looked at: {type(bug).__name__}.", "The log says more with LOG_LEVEL=DEBUG."
            )
        ]
