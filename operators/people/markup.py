"""What a model wrote, as HTML in which nothing acts: Markdown is rendered, and the result is cleaned by a list."""

from functools import cache
from typing import Any
from urllib.parse import urlsplit

import nh3
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt

MAX_CHARS = 40_000
"""Longer texts are shown as they are: rendering takes time that grows faster than its text."""
_MAX_BRACKETS = 1000
_TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "em", "strong", "s", "a"),
    *("ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
}
_SCHEMES = {"http", "https", "mailto"}


@cache
def _markdown() -> MarkdownIt:
    """CommonMark with tables, strikethrough and bare addresses; HTML is text, a line's end is one."""
    markdown = MarkdownIt("gfm-like", {"html": False, "breaks": True})
    markdown.add_render_rule("image", _image)
    return markdown


def _image(_renderer: Any, tokens: Any, place: int, _options: Any, _env: Any) -> str:
    """A link in the image's place: to load it would tell a stranger who reads this, and when."""
    token = tokens[place]
    source = str(token.attrs.get("src", ""))
    name = token.content or _("Image")
    if urlsplit(source).scheme not in _SCHEMES:
        return escape(name)
    return format_html('<a href="{}">{}</a>', source, name)


def rendered(text: str) -> SafeString:
    """A model's answer as HTML: no scripts, styles, forms or images, and links that take nothing along."""
    if len(text) > MAX_CHARS or text.count("[") > _MAX_BRACKETS:
        return plain(text)
    html = nh3.clean(
        _markdown().render(text),
        tags=_TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}},
        attribute_filter=_kept,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )
    return format_html('<div class="op-markdown">{}</div>', SafeString(html))


def _kept(_tag: str, attribute: str, value: str) -> str | None:
    """No addresses without a scheme either: they would lead into the admin."""
    return value if attribute != "href" or urlsplit(value).scheme in _SCHEMES else None


def plain(text: str) -> SafeString:
    """A text with its line ends, and nothing else that means something."""
    return format_html('<div class="op-plain">{}</div>', text)
