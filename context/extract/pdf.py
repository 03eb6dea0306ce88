"""PDF, by the library that shows them in Chromium."""

import re
from collections.abc import Iterator

import pypdfium2

from context.extract.base import Extracted, Unreadable, joined, tidied

MAX_PAGES = 300
_FULL_LINE = 0.75
_PASSWORD_NEEDED = 4


def read(content: bytes) -> Extracted:
    try:
        return _read(pypdfium2.PdfDocument(content))
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD_NEEDED:
            raise Unreadable("This PDF is locked with a password: save it without one.") from None
        raise Unreadable("This PDF is damaged or incomplete.") from None


def _read(document: pypdfium2.PdfDocument) -> Extracted:
    if len(document) > MAX_PAGES:
        raise Unreadable(f"This PDF has {len(document):,} pages, and {MAX_PAGES} is the most: split it.")
    headings = _headings(document)
    text = joined(_page(document, number, headings.get(number, {})) for number in range(len(document)))
    if not text.strip():
        raise Unreadable("This PDF holds pictures of pages, no text: run a text recognition (OCR) over it first.")
    return Extracted(tidied(text), document.get_metadata_dict().get("Title", ""), headings=bool(headings))


def _headings(document: pypdfium2.PdfDocument) -> dict[int, dict[str, int]]:
    """What the bookmarks name on each page, with their level from 1."""
    headings: dict[int, dict[str, int]] = {}
    for bookmark in document.get_toc():
        place = bookmark.get_dest()
        page = place.get_index() if place else None
        if page is not None and (title := " ".join(bookmark.get_title().split())):
            headings.setdefault(page, {})[title] = min(bookmark.level + 1, 6)
    return headings


def _page(document: pypdfium2.PdfDocument, number: int, headings: dict[str, int]) -> str:
    page = document[number]
    words = page.get_textpage()
    lines = [" ".join(line.split()) for line in words.get_text_range().splitlines()]
    # Pages stay in memory until they are closed.
    words.close()
    page.close()
    if lines and lines[-1].isdecimal():
        lines.pop()
    return "".join(_joined_lines(lines, headings)).strip()


def _joined_lines(lines: list[str], headings: dict[str, int]) -> Iterator[str]:
    """Lines that the page's width broke are one again, so that a sentence is not cut where it was broken."""
    widths = sorted(map(len, lines))
    full = widths[len(widths) * 9 // 10] * _FULL_LINE if widths else 0
    for line in lines:
        if line in headings:
            yield f"\n\n{'#' * headings[line]} {line}\n\n"
        # U+FFFE is PDFium's for a hyphen that is there only because the line ends.
        elif line.endswith("\ufffe"):
            yield line[:-1]
        elif len(line) < full or re.search(r"[.:!?…。！？]$", line):  # noqa: RUF001
            yield f"{line}\n"
        else:
            yield line if re.search(r"[\u3040-\u9fff，、]$", line) else f"{line} "  # noqa: RUF001
