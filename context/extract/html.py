"""Web pages: the main text as Markdown, without menus."""

import re
from functools import cache
from typing import Any

import trafilatura
from trafilatura.settings import use_config

from context.extract.base import Extracted, tidied

# Below this many characters of main text the library's own settings take the whole page, menus too.
_SHORT = 250
_MUCH_MORE = 4
_HEAD_CHARS = 200_000
# About a second a million characters; a second opinion on what the main text is would take half as long again.
_LARGE = 1_000_000
_ESCAPED = re.compile(r"(^```.*?^```|`[^`\n]+`)|\\([\\_*\[\]<>#])", re.DOTALL | re.MULTILINE)


def read(html: str) -> Extracted:
    # A piece of a page, without its frame, is read as nothing.
    if "<body" not in html[:_HEAD_CHARS].lower():
        html = f"<html><body>{html}</body></html>"
    text = _main_text(html, _config_for_short_pages())
    if len(text) < _SHORT and len(whole := trafilatura.html2txt(html)) > _MUCH_MORE * len(text):
        text = _main_text(html) or whole
    metadata = trafilatura.extract_metadata(html[:_HEAD_CHARS])
    return Extracted(tidied(_unescaped(text)), (metadata and metadata.title) or "")


def _main_text(html: str, config: Any = None) -> str:
    settings = {"config": config} if config else {}
    fast = len(html) > _LARGE
    return trafilatura.extract(html, output_format="markdown", include_comments=False, fast=fast, **settings) or ""


@cache
def _config_for_short_pages() -> Any:
    config = use_config()
    config.set("DEFAULT", "MIN_EXTRACTED_SIZE", "1")
    return config


def _unescaped(markdown: str) -> str:
    r"""Without the backslashes of ``snake\_case``, which nobody would find; code has none."""
    return _ESCAPED.sub(lambda found: found[1] or found[2], markdown)
