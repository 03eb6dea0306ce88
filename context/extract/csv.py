"""Comma-separated values, whatever separates them."""

import csv
from io import StringIO
from itertools import islice

from context.extract.base import MAX_CHARS, Extracted
from context.extract.tables import table

_SEPARATORS = ",;\t|"
_SAMPLE_ROWS = 20
_SAMPLE_CHARS = 50_000


def read(text: str) -> Extracted:
    csv.field_size_limit(MAX_CHARS)
    separator = max(_SEPARATORS, key=lambda candidate: _regular_rows(text[:_SAMPLE_CHARS], candidate))
    return Extracted(table(csv.reader(StringIO(text), delimiter=separator)), headings=False)


def _regular_rows(sample: str, separator: str) -> int:
    """How many of the first rows have as many cells, more than one, as the first has."""
    widths = [len(row) for row in islice(csv.reader(StringIO(sample), delimiter=separator), _SAMPLE_ROWS)]
    return sum(width == widths[0] > 1 for width in widths)
