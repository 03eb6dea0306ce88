"""A template cuts what it was given to know into overlapping pieces; here they become whole texts again."""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

# The templates cut at 1,000 characters and repeat up to 200.
_MOST_REPEATED = 400
_LEAST_REPEATED = 15


@dataclass(frozen=True)
class Piece:
    """``place`` orders the pieces as they were stored; ``source`` is an address, empty for a text that was posted."""

    place: tuple[float, str]
    source: str
    first_line: int
    text: str


@dataclass(frozen=True)
class Whole:
    source: str
    text: str


def piece(name: bytes, text: bytes, metadata: bytes) -> Piece:
    key = name.decode(errors="replace")
    number = key.rpartition(":")[2]
    about = _metadata(metadata.decode(errors="replace"))
    source = about.get("source")
    lines = about.get("loc", {}).get("lines", {}) if isinstance(about.get("loc"), dict) else {}
    first = lines.get("from", 1) if isinstance(lines, dict) else 1
    return Piece(
        (float(number) if number.isdecimal() else math.inf, key),
        source if isinstance(source, str) and "://" in source else "",
        first if isinstance(first, int) else 1,
        text.decode(errors="replace"),
    )


def _metadata(written: str) -> dict[str, Any]:
    """LangChain escapes its JSON once more, for the search of Redis."""
    for text in (written, written.replace("\\-", "-").replace("\\:", ":").replace('\\"', '"')):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return {}


def whole_texts(pieces: Iterable[Piece]) -> Iterator[Whole]:
    """Pieces that follow each other are joined; one that fits to none is a text by itself."""
    text, last = "", None
    for each in sorted(pieces, key=lambda piece: piece.place):
        repeated = _repeated(text, each.text)
        if last and _follows(last, each) and (repeated or 1 < each.first_line >= last.first_line):
            text += each.text[repeated:] if repeated else f"\n{each.text}"
        else:
            if last:
                yield Whole(last.source, text)
            text = each.text
        last = each
    if last:
        yield Whole(last.source, text)


def _follows(last: Piece, each: Piece) -> bool:
    return last.source == each.source and last.text != each.text


def _repeated(text: str, following: str) -> int:
    """How many characters at the end of the one are the beginning of the other; few may be chance, and are none."""
    most = min(len(text), len(following), _MOST_REPEATED)
    return next((count for count in range(most, _LEAST_REPEATED - 1, -1) if text.endswith(following[:count])), 0)
