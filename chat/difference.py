"""How one text became another: for people to see what they changed."""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Piece:
    """A part of two texts laid over each other; a *gap* says how much that is the same is not shown."""

    kind: Literal["same", "removed", "added", "gap"]
    text: str


_SHOWN_AROUND = 3
_ALIKE = 0.4
"""Share of their words that two passages must have in common to be shown as one that was changed."""
_PARTS = re.compile(r"\w+|\s|[^\w\s]")
_MAX_PARTS = 2000
"""Longest passage compared by these: the time grows with its square."""


def difference(before: str, after: str) -> list[Piece]:
    """How one text became the other: by lines, and within lines that changed by words."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    pieces: list[Piece] = []
    for kind, start, end, new_start, new_end in difflib.SequenceMatcher(None, old, new).get_opcodes():
        if kind == "equal":
            pieces.extend(_same(old[start:end], at_start=not start, at_end=end == len(old)))
        else:
            pieces.extend(_changed("".join(old[start:end]), "".join(new[new_start:new_end])))
    return pieces


def _same(lines: Sequence[str], *, at_start: bool, at_end: bool) -> Iterator[Piece]:
    """The lines next to a change; those further away only by their number."""
    head = 0 if at_start else _SHOWN_AROUND
    tail = 0 if at_end else _SHOWN_AROUND
    hidden = len(lines) - head - tail
    if hidden < 2:
        yield Piece("same", "".join(lines))
        return
    yield Piece("same", "".join(lines[:head]))
    yield Piece("gap", f"{hidden} lines are the same")
    yield Piece("same", "".join(lines[len(lines) - tail :]))


def _changed(before: str, after: str) -> Iterator[Piece]:
    old, new = _PARTS.findall(before), _PARTS.findall(after)
    if max(len(old), len(new)) > _MAX_PARTS or not _alike(old, new):
        yield from _replaced(before, after)
        return
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind == "equal":
            yield Piece("same", "".join(old[start:end]))
        else:
            yield from _replaced("".join(old[start:end]), "".join(new[new_start:new_end]))


def _alike(old: Sequence[str], new: Sequence[str]) -> bool:
    """By their words alone: any two texts have blanks and full stops in common."""
    words, others = ([part for part in parts if part.isalnum()] for parts in (old, new))
    return difflib.SequenceMatcher(None, words, others, autojunk=False).ratio() >= _ALIKE


def _replaced(before: str, after: str) -> Iterator[Piece]:
    """What went and what came, with a mark for each end of a line, which would not be seen otherwise."""
    if before:
        yield Piece("removed", before.replace("\n", "↵\n"))
    if after:
        yield Piece("added", after.replace("\n", "↵\n"))
