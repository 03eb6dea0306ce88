"""What reading a content gives."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_CHARS = 10_000_000
_REPEATED_HEADING = re.compile(r"^(#{1,6} )(.+)(?:\n+#{1,6} \2)+$", re.MULTILINE)
_BLANK_ENDS = re.compile(r"(?<![ \t])[ \t]+$", re.MULTILINE)


class Unreadable(Exception):
    """The content holds no text that can be had; ``str()`` is a sentence for the one who brought it."""


@dataclass(frozen=True)
class Extracted:
    """A text with its headings as Markdown's, lines that begin with ``#``, where ``headings`` says so."""

    text: str
    title: str = ""
    headings: bool = True


def joined(parts: Iterable[str], gap: str = "\n\n") -> str:
    """The parts in one text. Raises ``Unreadable`` as soon as they are too many, however little they were packed."""
    kept, chars = [], 0
    for part in parts:
        kept.append(part)
        chars += len(part) + len(gap)
        check_length(chars)
    return gap.join(kept)


def check_length(chars: int) -> None:
    if chars > MAX_CHARS:
        raise Unreadable(f"This holds more than {MAX_CHARS:,} characters: split it into smaller parts.")


def tidied(text: str) -> str:
    """Without blank ends of lines, rows of empty lines, and a heading that says again what the one above it says."""
    text = re.sub(r"\n{3,}", "\n\n", _BLANK_ENDS.sub("", text))
    return _REPEATED_HEADING.sub(r"\1\2", text).strip("\n")
