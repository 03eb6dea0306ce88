"""JSON: one line for each value, named by the keys above it."""

import json
from collections.abc import Iterator
from typing import Any

from context.extract.base import Extracted, Unreadable, joined


def read(text: str) -> Extracted:
    try:
        return Extracted(joined(_lines(json.loads(text), ""), "\n"), headings=False)
    except RecursionError:
        raise Unreadable("This JSON is nested too deeply.") from None
    except ValueError:
        return Extracted(_of_lines(text), headings=False)


def _of_lines(text: str) -> str:
    """One value a line, as logs and exports have it; else the text as it is."""
    try:
        return joined(joined(_lines(json.loads(line), ""), "\n") for line in text.splitlines() if line.strip())
    except ValueError:
        return text


def _lines(value: Any, name: str) -> Iterator[str]:
    """``city.name: Bern``; entries of a list share a name and stand apart by an empty line."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        for inner in value:
            yield ""
            yield from _lines(inner, name)
    elif value not in (None, "", []):
        shown = ", ".join(map(_shown, value)) if isinstance(value, list) else _shown(value)
        yield f"{name}: {shown}" if name else shown


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
