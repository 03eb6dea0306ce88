"""From bytes or text to what is stored: text, title, language and chunks."""

from dataclasses import dataclass

from ccagent.text import clean
from context.chunks import Chunk as PreparedChunk
from context.chunks import cut
from context.extract import Extracted, Unreadable, extract
from context.languages import detect_language

__all__ = ["Prepared", "PreparedChunk", "Unreadable", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """``language`` is a text search configuration of Postgres; ``title`` is empty where the content names none."""

    title: str
    text: str
    language: str
    chunks: tuple[PreparedChunk, ...]


def prepare(content: bytes | str, *, name: str = "", content_type: str = "") -> Prepared:
    """Reads a content of whatever kind. Blocks; may be called from any thread. Raises ``Unreadable``."""
    extracted = extract(content, name, content_type) if isinstance(content, bytes) else Extracted(content)
    text = clean(extracted.text).strip()
    if not text:
        raise Unreadable("This holds no text.")
    chunks = cut(text, headings=extracted.headings)
    return Prepared(clean(extracted.title).strip(), text, detect_language(text), tuple(chunks))
