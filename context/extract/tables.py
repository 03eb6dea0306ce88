"""Rows of a table as text that search finds and a model understands."""

import re
from collections.abc import Iterable, Iterator

from context.extract.base import joined

# A larger one would be cut into chunks of which only the first holds the names of the columns.
_MAX_TABLE_CHARS = 1000
_HEADER_WITHIN = 10


def table(rows: Iterable[Iterable[str]]) -> str:
    """A small table as Markdown; of a larger one each row with the names of its columns, on a line of its own."""
    filled = [cells for row in rows if any(cells := [" ".join(cell.split()) for cell in row])]
    if len(filled) < 2 or max(map(len, filled)) == 1:
        return joined((" ".join(filter(None, cells)) for cells in filled), "\n")
    place = _header(filled)
    above = ["; ".join(filter(None, cells)) for cells in filled[:place]]
    header, body = filled[place], filled[place + 1 :]
    if sum(len(cell) + 3 for cells in filled for cell in cells) <= _MAX_TABLE_CHARS:
        return "\n".join([*above, *_markdown(header, body)])
    return joined([*above, *(_record(header, cells) for cells in body)], "\n")


def _header(rows: list[list[str]]) -> int:
    """The row that names the columns; above it there may be a title and remarks."""
    counts = [sum(map(bool, cells)) for cells in rows[:_HEADER_WITHIN]]
    return counts.index(max(counts))


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
