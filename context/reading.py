"""Text, title, language and chunks of a content, in the process that calls; hostile contents belong into the worker."""

from dataclasses import dataclass

from ccagent.text import clean
from context.chunks import Chunk, cut
from context.extract import extract, extract_text
from context.extract.base import Unreadable, check_length
from context.languages import detect_language

MAX_TITLE_CHARS = 500


@dataclass(frozen=True)
class Prepared:
    """``language`` is a text search configuration of Postgres; ``title`` is empty where the content names none."""

    title: str
    text: str
    language: str
    chunks: tuple[Chunk, ...]


def read(content: bytes | str, name: str = "", content_type: str = "") -> Prepared:
    """Raises ``Unreadable``, and whatever a library stumbles over."""
    extracted = (
        extract(content, name, content_type)
        if isinstance(content, bytes)
        else extract_text(content, name, content_type)
    )
    check_length(len(extracted.text))
    text = clean(extracted.text).strip()
    if not text:
        raise Unreadable("This holds no text.")
    title = " ".join(clean(extracted.title).split())[:MAX_TITLE_CHARS]
    return Prepared(title, text, detect_language(text), tuple(cut(text, headings=extracted.headings)))
