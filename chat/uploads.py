"""Files that come as they are, such as PDF and Word: their text is taken out before anything else happens."""

import asyncio
from collections.abc import Sequence

from ccagent.api.errors import ApiError
from ccagent.database import in_view_thread
from chat.content import Block, File, Upload
from context.prepare import Unreadable, prepare

MAX_UPLOADS = 10
# Messages whose files are read at the same time: more would only wait for one of the few workers.
_AT_ONCE = 4
_WAIT_SECONDS = 30.0
_places = asyncio.Semaphore(_AT_ONCE)


async def read(blocks: Sequence[Block | Upload]) -> list[Block]:
    """The blocks with each upload as a file with its text; raises ``ApiError`` for one that cannot be read."""
    uploads = sum(isinstance(block, Upload) for block in blocks)
    if uploads > MAX_UPLOADS:
        raise ApiError(422, f"A message takes {MAX_UPLOADS} files whose text has to be taken out: send fewer at once.")
    if not uploads:
        return [block for block in blocks if not isinstance(block, Upload)]
    try:
        async with asyncio.timeout(_WAIT_SECONDS):
            await _places.acquire()
    except TimeoutError:
        sentence = "Too many files are being read at the moment: try again in a minute."
        raise ApiError(503, sentence, retry_after=60) from None
    try:
        return [await in_view_thread(_read)(block) if isinstance(block, Upload) else block for block in blocks]
    finally:
        _places.release()


def _read(upload: Upload) -> File:
    try:
        return File(upload.name, prepare(upload.data, name=upload.name).text)
    except Unreadable as error:
        raise ApiError(422, f"{upload.name[:100] or 'A file'}: {error}") from None
