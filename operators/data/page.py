"""An export as a page to read: one file that needs no other, and in which nothing that somebody wrote can act."""

import re
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from chat.content import Block, File, Image
from chat.models import Conversation, Message
from operators.people.markup import plain, rendered

_SHOWN = re.compile(r"data:image/(?:png|jpeg|gif|webp)[;,]")
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 48rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: break-word; }
h2 { margin-top: 3rem; border-bottom: 1px solid #8886; }
article { margin: 1rem 0; padding: .75rem 1rem; border-radius: .75rem; background: #8881; }
article.user { margin-left: 15%; background: #38f2; }
header, .quiet { color: GrayText; font-size: .8rem; }
.text, .op-plain { white-space: pre-wrap; }
table { border-collapse: collapse; } th, td { border: 1px solid #8886; padding: .25rem .5rem; }
img { display: block; max-width: 100%; max-height: 30rem; margin: .5rem 0; border-radius: .5rem; }
details { margin: .5rem 0; font-size: .85rem; } pre { white-space: pre-wrap; }
"""


def head() -> str:
    return format_html(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        "<title>{name}: what was said</title><style>{style}</style></head><body>\n<h1>{name}</h1>\n"
        '<p class="quiet">Exported {date}</p>\n',
        name=settings.APP_NAME,
        style=SafeString(_STYLE),
        date=f"{timezone.localtime():%Y-%m-%d %H:%M %Z}",
    )


def person(email: str, facts: Iterable[dict[str, Any]], documents_added: Iterable[dict[str, Any]]) -> str:
    lists = (
        ("Remembered", [fact["text"] for fact in facts]),
        ("Documents added", [document["title"] for document in documents_added]),
    )
    return format_html("<h2>{}</h2>\n", email or "Anonymous calls") + format_html_join(
        "", "<h3>{}</h3>\n<ul>{}</ul>\n", ((name, _items(texts)) for name, texts in lists if texts)
    )


def _items(texts: Iterable[str]) -> SafeString:
    return format_html_join("", "<li>{}</li>", ((text,) for text in texts))


def conversation(conversation: Conversation, summaries: Iterable[dict[str, Any]]) -> str:
    over = f", archived {_time(conversation.archived_at)}" if conversation.archived_at else ""
    return format_html(
        "<h3>Conversation of {}{}</h3>\n{}",
        _time(conversation.created_at),
        over,
        format_html_join(
            "",
            '<details><summary>Summary of messages 1 to {}</summary><div class="text">{}</div></details>\n',
            ((summary["through"], summary["text"]) for summary in summaries),
        ),
    )


def message(message: Message) -> str:
    return format_html(
        '<article class="{}"><header>{} · {}{}</header>\n{}{}</article>\n',
        message.role,
        "Question" if message.role == Message.Role.USER else "Answer",
        _time(message.date),
        "" if message.status == Message.Status.COMPLETE else f" · {message.status}",
        format_html_join("\n", "{}", ((_block(message, *each),) for each in enumerate(message.content))),
        format_html_join(
            "",
            "<details><summary>Tool {}</summary><pre>{}\n\n{}</pre></details>",
            ((call.name, call.arguments, call.result) for call in message.tool_calls.all()),
        ),
    )


def _block(message: Message, position: int, block: Block) -> SafeString:
    if isinstance(block, Image):
        return _image(message, position, block)
    if isinstance(block, File):
        return format_html("<details><summary>File {}</summary><pre>{}</pre></details>", block.name, block.text)
    return rendered(block.text) if message.role == Message.Role.ASSISTANT else plain(block.text)


def _image(message: Message, position: int, image: Image) -> SafeString:
    """The image itself, where it is of a kind that cannot act."""
    data = next((each.base64 for each in message.attachments.all() if each.position == position), "")
    url = Image(image.name, data).data_url if data else ""
    if not _SHOWN.match(url):
        return format_html('<p class="quiet">Image {}, not shown</p>', image.name)
    return format_html('<img src="{}" alt="{}">', url, image.name or "image")


def _time(date: Any) -> str:
    return f"{timezone.localtime(date):%Y-%m-%d %H:%M}"


def foot() -> str:
    return "</body></html>\n"
