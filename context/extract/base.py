"""What reading a content gives."""

from dataclasses import dataclass


class Unreadable(Exception):
    """The content holds no text that can be had; ``str()`` is a sentence for the one who brought it."""


@dataclass(frozen=True)
class Extracted:
    """A text with its headings as Markdown's, lines that begin with ``#``, where ``headings`` says so."""

    text: str
    title: str = ""
    headings: bool = True
