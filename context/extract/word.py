"""Word (.docx): paragraphs, headings, lists and tables in their order."""

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import docx
from docx.document import Document
from docx.oxml.ns import nsmap, qn
from lxml import etree

from context.extract.base import Extracted, joined, tidied
from context.extract.tables import table

_PARAGRAPH, _TABLE, _CELL = qn("w:p"), qn("w:tbl"), qn("w:tc")
# Of a drawing Word keeps a second form, for programs that do not know the first.
_RUNS = etree.XPath(
    ".//w:r/*[self::w:t or self::w:tab or self::w:br or self::w:noBreakHyphen][not(ancestor::mc:Fallback)]",
    namespaces={"w": nsmap["w"], "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006"},
)
_ROWS = etree.XPath("./w:tr | ./w:sdt/w:sdtContent/w:tr", namespaces={"w": nsmap["w"]})
_IS_LISTED = etree.XPath("boolean(./w:pPr/w:numPr)", namespaces={"w": nsmap["w"]})
_STYLE = etree.XPath("string(./w:pPr/w:pStyle/@w:val)", namespaces={"w": nsmap["w"]})
_CHARACTERS = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:noBreakHyphen"): "-"}


def read(content: bytes) -> Extracted:
    document = docx.Document(BytesIO(content))
    text = joined(_blocks(document.element.body, _levels(document)), "\n")
    return Extracted(tidied(text), document.core_properties.title)


def _levels(document: Document) -> dict[str, int]:
    """The heading level of styles that are headings or made after one; whatever Word's language, names are English."""
    levels = {}
    for style in document.styles:
        ancestor: Any = style
        while ancestor is not None and style.style_id not in levels:
            if found := re.fullmatch(r"Heading ([1-9])|Title", ancestor.name or ""):
                levels[style.style_id] = min(int(found[1] or 1), 6)
            ancestor = getattr(ancestor, "base_style", None)
    return levels


def _blocks(parent: Any, levels: dict[str, int]) -> Iterator[str]:
    for element in parent:
        if element.tag == _PARAGRAPH:
            yield _paragraph(element, levels)
        elif element.tag == _TABLE:
            yield f"\n{table(_cells(row) for row in _ROWS(element))}\n"
        else:
            # Content controls and the like hold paragraphs of their own.
            yield from _blocks(element, levels)


def _paragraph(element: Any, levels: dict[str, int]) -> str:
    text = _text(element)
    if not text:
        return ""
    style = _STYLE(element)
    if style in levels:
        return f"\n{'#' * levels[style]} {' '.join(text.split())}\n"
    return f"- {text}" if _IS_LISTED(element) or style.startswith("List") else f"\n{text}\n"


def _cells(row: Any) -> list[str]:
    return [" ".join(_text(paragraph) for paragraph in cell.iter(_PARAGRAPH)) for cell in row.iter(_CELL)]


def _text(element: Any) -> str:
    return "".join(_CHARACTERS.get(run.tag, run.text or "") for run in _RUNS(element)).strip()
