"""Comma-separated values, whatever separates them."""

import csv
from itertools import islice

from context.extract.base import MAX_CHARS, Extracted
from context.extract.tables import table

_SEPARATORS = ",;\t|"


def read(text: str) -> Extracted:
    csv.field_size_limit(MAX_CHARS)
    lines = text.split("\n")
    separator = max(_SEPARATORS, key=lambda candidate: _regular_rows(lines, candidate))
    return Extracted(table(csv.reader(lines, delimiter=separator)), headings=False)


def _regular_rows(lines: list[str], separator: str) -> int:
    """How many of the first rows have as many cells, more than one, as the first has."""
    widths = [len(row) for row in islice(csv.reader(lines[:50], delimiter=separator), 20)]
    return sum(width == widths[0] > 1 for width in widths)
