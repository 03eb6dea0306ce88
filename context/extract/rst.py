"""reStructuredText: as it is, with its headings made Markdown's."""

import re

from context.extract.base import Extracted

_LINE = r"([!-/:-@[-`{-~])\%d+[ \t]*"
_HEADING = re.compile(
    rf"^(?:(?P<over>{_LINE % 2})\n)?[ \t]*(?P<title>\S.{{0,199}}?)[ \t]*\n(?P<line>{_LINE % 5})$", re.MULTILINE
)


def read(text: str) -> Extracted:
    styles: list[tuple[bool, str]] = []
    titles: list[str] = []

    def heading(found: re.Match[str]) -> str:
        over, title, line = (found["over"] or "").rstrip(), found["title"], found["line"].rstrip()
        if len(line) < len(title) or (over and over != line):
            return found[0]
        style = (bool(over), line[0])
        # A style's level is the place of its first use.
        if style not in styles:
            styles.append(style)
        titles.append(title)
        return f"{'#' * min(styles.index(style) + 1, 6)} {title}"

    text = _HEADING.sub(heading, text)
    return Extracted(text, titles[0] if titles else "", headings=bool(titles))
