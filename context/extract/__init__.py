"""From bytes to text: one module for each family of contents. Imports nothing of Django, for it runs in the worker."""

from importlib import import_module

from context.extract.base import Extracted, Unreadable
from context.extract.encoding import decode
from context.extract.kinds import binary_kind, text_kind

__all__ = ["Extracted", "Unreadable", "extract", "extract_text"]

# Each has a function read(content or text) and libraries that are imported only where they are needed.
_READERS = {
    "pdf": "context.extract.pdf",
    "zip": "context.extract.office",
    "html": "context.extract.html",
    "markdown": "context.extract.markdown",
    "rst": "context.extract.rst",
    "csv": "context.extract.csv",
    "json": "context.extract.json",
    "notebook": "context.extract.notebook",
}


def extract(content: bytes, name: str = "", content_type: str = "") -> Extracted:
    """Text and title of a content. Raises ``Unreadable``, and whatever the library stumbles over."""
    if kind := binary_kind(content):
        return _read(kind, content)
    return extract_text(decode(content, content_type), name, content_type)


def extract_text(text: str, name: str = "", content_type: str = "") -> Extracted:
    """The same for what is characters already."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kind = text_kind(text, name, content_type)
    return _read(kind, text) if kind in _READERS else Extracted(text, headings=kind == "text")


def _read(kind: str, content: bytes | str) -> Extracted:
    extracted: Extracted = import_module(_READERS[kind]).read(content)
    return extracted
