"""Rows of a table as text that search finds and a model understands."""

import re
from collections.abc import Iterable, Iterator

from context.extract.base import MAX_CHARS, joined

# A larger one would be cut into chunks of which only the first holds the names of the columns.
_MAX_TABLE_CHARS = 1000
_HEADER_WITHIN = 10
_NUMBER = re.compile(r"[-+€$£ ]*\d[\d.,:%€$£/ -]*")


def table(rows: Iterable[Iterable[str]]) -> str:
    """A small table as Markdown; of a larger one each row with the names of its columns, on a line of its own."""
    filled = [cells for row in rows if any(cells := [" ".join(cell.split()) for cell in row])]
    place = _header(filled)
    if place is None:
        return joined(map(_plain, filled), "\n")
    above, header, body = filled[:place], filled[place], filled[place + 1 :]
    chars = sum(len(cell) + 3 for cells in filled for cell in cells)
    if chars <= _MAX_TABLE_CHARS:
        return "\n".join([*map(_plain, above), *_markdown(header, body)])
    if chars + sum(len(name) + 2 for name in header) * len(body) > MAX_CHARS:
        return joined(map(_plain, filled), "\n")
    return joined([*map(_plain, above), *(_record(header, cells) for cells in body)], "\n")


def _header(rows: list[list[str]]) -> int | None:
    """The row that names the columns, if one does; above it there may be a title and remarks."""
    counts = [sum(map(bool, cells)) for cells in rows[:_HEADER_WITHIN]]
    if len(rows) < 2 or max(counts) < 2:
        return None
    place = counts.index(max(counts))
    names = [cell for cell in rows[place] if cell]
    return None if any(map(_NUMBER.fullmatch, names)) or len(set(names)) < len(names) else place


def _plain(cells: list[str]) -> str:
    return "; ".join(filter(None, cells))


def _markdown(header: list[str], body: list[list[str]]) -> Iterator[str]:
    width = max(len(header), *(len(cells) for cells in body)) if body else len(header)
    for place, cells in enumerate([header, *body]):
        escaped = [cell.replace("|", r"\|") for cell in cells] + [""] * (width - len(cells))
        yield f"| {' | '.join(escaped)} |"
        if place == 0:
            yield "|---" * width + "|"


def _record(header: list[str], cells: list[str]) -> str:
    named = [
        f"{name}: {cell}" if name else cell
        for name, cell in zip([*header, *[""] * (len(cells) - len(header))], cells, strict=False)
        if cell
    ]
    return re.sub(r"([.;:!?]);", r"\1", "; ".join(named))
