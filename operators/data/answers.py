"""Exports as downloads."""

from collections.abc import AsyncGenerator, Iterator

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header

from ccagent.database import in_database
from chat.models import Conversation
from operators.data.formats import TYPES, Format, export


def download(conversations: QuerySet[Conversation], form: Format, name: str = "conversations") -> StreamingHttpResponse:
    """The file, made while it is sent; its reader may be slow, and holds no database connection meanwhile."""
    file = f"{name}-{timezone.localdate()}.{form}"
    headers = {
        "Content-Disposition": str(content_disposition_header(as_attachment=True, filename=file)),
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",
        "Content-Security-Policy": "sandbox",
    }
    return StreamingHttpResponse(_pieces(export(conversations, form)), content_type=TYPES[form], headers=headers)


async def _pieces(pieces: Iterator[str]) -> AsyncGenerator[bytes, None]:
    # Each piece is queries of its own, after which the connection goes back to the pool.
    while (piece := await in_database(next, pieces, None)) is not None:
        yield piece.encode()
