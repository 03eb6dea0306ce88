"""Jupyter notebooks: prose and code, without what the code put out."""

import json
from collections.abc import Iterator
from typing import Any

from context.extract import markdown
from context.extract.base import Extracted, Unreadable, joined


def read(text: str) -> Extracted:
    try:
        notebook = json.loads(text)
        language = notebook.get("metadata", {}).get("kernelspec", {}).get("language", "")
        cells = notebook.get("cells") or notebook["worksheets"][0]["cells"]
        return markdown.read(joined(_parts(cells, language)))
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError):
        raise Unreadable("This is no notebook that Jupyter could open.") from None


def _parts(cells: list[dict[str, Any]], language: str) -> Iterator[str]:
    for cell in cells:
        source = cell.get("source", cell.get("input", ""))
        source = (source if isinstance(source, str) else "".join(source)).strip()
        if source and cell["cell_type"] != "code":
            yield source
        elif source:
            yield f"```{language}\n{source}\n```"
