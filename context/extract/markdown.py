"""Markdown: as it is, with underlined headings made like the others."""

import re

from context.extract.base import Extracted

_FRONT_MATTER = re.compile(r"---\n(.{0,5000}?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"""^title:[ \t]*["']?(.+?)["']?[ \t]*$""", re.MULTILINE)
_UNDERLINED = re.compile(
    r"^(?![ \t]*(?:[-*+>#|]|\d+\. ))(?P<title>\S.{0,199})\n(?P<line>=+|-{2,})[ \t]*$", re.MULTILINE
)
_FIRST = re.compile(r"^# +(.+?)[ \t#]*$", re.MULTILINE)


def read(text: str) -> Extracted:
    title = None
    if front := _FRONT_MATTER.match(text):
        title = _TITLE.search(front[1])
        text = text[front.end() :]
    text = _UNDERLINED.sub(lambda found: f"{'#' if found['line'][0] == '=' else '##'} {found['title']}", text)
    title = title or _FIRST.search(text)
    return Extracted(text, title[1] if title else "")
