"""Cuts a text into chunks, along headings, paragraphs and sentences."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile

from semantic_text_splitter import MarkdownSplitter, TextSplitter

CHUNK_CHARS = 1400
OVERLAP_CHARS = 200
# The splitter's time grows with the square of the text: more than a minute for 4 MB.
_STRETCH_CHARS = 50_000
_MAX_HEADING_CHARS = 200
_LINE = re.compile(r"^(?: {0,3}(?P<fence>`{3,}|~{3,})| {0,3}(?P<marks>#{1,6})[ \t]+(?P<title>\S.*))", re.MULTILINE)


@dataclass(frozen=True)
class Chunk:
    """A passage of a text: where it begins, what it says, and the headings above it, like ``Guide > Install``."""

    start: int
    text: str
    heading: str


@dataclass(frozen=True)
class _Section:
    """A heading with what follows until the next; ``body`` is where the heading's line ends."""

    start: int
    body: int
    end: int
    path: tuple[str, ...]
    bare: bool


def cut(text: str, *, headings: bool = True) -> list[Chunk]:
    """Chunks of at most 1,400 characters, with an overlap of 200 inside a section; each is a part of ``text``.

    Measured on public collections, this size finds more than 1,000 does. Small sections share a chunk, whose heading
    is what theirs have in common. Without ``headings`` a line that begins with ``#`` is a line like any other.
    """
    sections = list(_sections(text)) if headings else []
    if len(sections) <= 1:
        return list(_chunks(_pieces(text, 0, len(text), TextSplitter), ""))
    return [chunk for group in _groups(sections) for chunk in _cut_group(text, group)]


def _sections(text: str) -> Iterator[_Section]:
    path: list[tuple[int, str]] = []
    start = body = 0
    for heading in _headings(text):
        yield _section(text, start, body, heading.start(), path)
        level = len(heading["marks"])
        above = takewhile(lambda step: step[0] < level, path)  # noqa: B023
        path = [*above, (level, re.sub(r"[\s#]+$", "", heading["title"]) or heading["title"])]
        start, body = heading.span()
    yield _section(text, start, body, len(text), path)


def _section(text: str, start: int, body: int, end: int, path: list[tuple[int, str]]) -> _Section:
    return _Section(start, body, end, tuple(title for _, title in path), bare=not text[body:end].strip())


def _headings(text: str) -> Iterator[re.Match[str]]:
    """Lines that begin with ``#`` outside of code."""
    fence = ""
    for line in _LINE.finditer(text):
        if marks := line["fence"]:
            fence = "" if fence and marks.startswith(fence) else fence or marks
        elif not fence and len(line["title"]) <= _MAX_HEADING_CHARS:
            yield line


def _groups(sections: Iterable[_Section]) -> Iterator[list[_Section]]:
    """Neighbours that fit into one chunk; a heading without a text of its own goes with what follows it."""
    group: list[_Section] = []
    for section in sections:
        if group and section.end - group[0].start > CHUNK_CHARS:
            kept = len(group)
            while kept and group[kept - 1].bare and section.start - group[kept - 1].start < CHUNK_CHARS // 2:
                kept -= 1
            if kept:
                yield group[:kept]
            group = group[kept:]
        group.append(section)
    yield group


def _cut_group(text: str, group: list[_Section]) -> Iterator[Chunk]:
    start, last = group[0].start, group[-1]
    heading = " > ".join(_common([section.path for section in group if not section.bare]))
    if last.end - start <= CHUNK_CHARS:
        return _chunks([(start, text[start : last.end])], heading)
    # Only the last can be too long, so what stands before its body are headings; they join its first piece.
    (place, first), *rest = _pieces(text, last.body, last.end, MarkdownSplitter, CHUNK_CHARS - (last.body - start))
    if place + len(first) - start <= CHUNK_CHARS:
        place, first = start, text[start : place + len(first)]
    return _chunks([(place, first), *rest], heading)


def _common(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    steps = takewhile(lambda titles: len(set(titles)) == 1, zip(*paths, strict=False))
    return tuple(titles[0] for titles in steps)


def _chunks(pieces: Iterable[tuple[int, str]], heading: str) -> Iterator[Chunk]:
    for place, piece in pieces:
        if words := piece.strip():
            yield Chunk(place + len(piece) - len(piece.lstrip()), words, heading)


def _pieces(
    text: str, start: int, end: int, splitter: type[TextSplitter | MarkdownSplitter], chars: int = CHUNK_CHARS
) -> Iterator[tuple[int, str]]:
    cutter = splitter(chars, overlap=OVERLAP_CHARS)
    for first, last in _stretches(text, start, end):
        for place, piece in cutter.chunk_indices(text[first:last]):
            yield first + place, piece


def _stretches(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """From ``start`` to ``end`` in steps that end with a paragraph, a line or a word where possible."""
    while end - start > _STRETCH_CHARS:
        latest = start + _STRETCH_CHARS
        ends = (text.rfind(gap, latest - _STRETCH_CHARS // 2, latest) for gap in ("\n\n", "\n", " "))
        step = next((found for found in ends if found > 0), latest)
        yield start, step
        start = step
    yield start, end
