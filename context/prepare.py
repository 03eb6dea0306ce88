"""From bytes or text to what is stored."""

from context.chunks import Chunk as PreparedChunk
from context.extract.base import Unreadable
from context.extract.kinds import text_kind
from context.reading import Prepared, read
from context.worker_pool import WorkerPool

__all__ = ["Prepared", "PreparedChunk", "Unreadable", "prepare"]

# What is read within a millisecond is not worth a process.
_FEW_CHARS = 20_000
_SIMPLE_KINDS = {"text", "code", "markdown"}
_pool = WorkerPool()


def prepare(content: bytes | str, *, name: str = "", content_type: str = "") -> Prepared:
    """Reads a content of whatever kind, in a process of its own unless it is a short text.

    ``name`` is a file's name or a URL, ``content_type`` a header as it was sent. Blocks for up to a minute, and as long
    again while others read; may be called from any thread. Raises ``Unreadable``.
    """
    if (
        isinstance(content, str)
        and len(content) <= _FEW_CHARS
        and text_kind(content, name, content_type) in _SIMPLE_KINDS
    ):
        return read(content, name, content_type)
    return _pool.prepare(content, name, content_type)
