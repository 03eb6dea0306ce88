"""What of a conversation goes into a prompt: the question, and as many of the newest turns as the budget holds."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from django.db import connection
from django.db.models.functions import Left

from ccagent.text import cut_to, estimated_tokens
from chat.agent.prompt import PromptMessage, words
from chat.content import Block, File, Image, Text, deserialise, plain_text
from chat.models import Message

MAX_ROWS = 400
"""Most messages looked at for a prompt: more than a usual budget holds."""
IMAGE_TOKENS = 1000
"""What an image counts as; vendors count a photo as 250 to 1,600."""
MAX_NAME_CHARS = 200
_MESSAGE_TOKENS = 3
_NOTE_TOKENS = 20
_LEAST_TOKENS = 30
"""Room for less than this is not worth a piece of a text."""


@dataclass(frozen=True)
class Said:
    """An earlier message as a model gets it."""

    sequence: int
    message: PromptMessage
    tokens: int


@dataclass(frozen=True)
class Window:
    """The messages, oldest first, the question last; ``first`` is the sequence of the oldest."""

    messages: tuple[PromptMessage, ...]
    first: int

    @property
    def asked_before(self) -> str:
        """The question before the last one; empty where there is none."""
        earlier = reversed(self.messages[:-1])
        return next((plain_text(message.blocks) for message in earlier if message.role == "user"), "")


def asked_before(question: Message) -> str:
    """The words of the question before this one, at most 2,000 characters; empty where there is none. One query."""
    earlier = Message.objects.filter(
        conversation=question.conversation_id, sequence__lt=question.sequence, role=Message.Role.USER
    )
    return str(earlier.order_by("-sequence").values_list(Left("text", 2000), flat=True).first() or "")


def window(question: Message, blocks: Sequence[Block], tokens: int) -> Window:
    """The question, cut if it must be, and the newest whole turns before it that fit into ``tokens``."""
    asked = PromptMessage("user", question_blocks(blocks, tokens))
    left = tokens - _tokens(asked.blocks)
    kept: list[PromptMessage] = []
    first = question.sequence
    # Nothing is before the first message, which all messages of anonymous callers are.
    rows = said(question.conversation_id, tokens, before=question.sequence) if question.sequence > 1 else ()
    for turn in whole_turns(rows):
        left -= sum(message.tokens for message in turn)
        if left < 0:
            break
        first = turn[0].sequence
        kept[:0] = [message.message for message in turn if message.message.blocks]
    return Window((*kept, asked), first)


def whole_turns(newest_first: Iterable[Said]) -> Iterator[list[Said]]:
    """The turns, newest first, each in order; an answer whose question is not among the messages is left out."""
    turn: list[Said] = []
    for message in newest_first:
        turn.insert(0, message)
        if message.message.role == "user":
            yield turn
            turn = []


# Sizes are those that cost nothing to know, at most what they turn out to be: no text is read for them, however long.
# What is read of a long text is its beginning and end, twice as much as can be used.
_NEWEST = """
WITH newest AS (
    SELECT sequence, role, text, blocks, COALESCE(pg_column_size(blocks), 0) > 2000 AS large, octet_length(text) AS size
    FROM chat_message
    WHERE conversation_id = %(conversation)s AND sequence > %(after)s AND sequence < %(before)s
        AND status <> 'streaming' AND (text <> '' OR role = 'user') AND (idempotency_key <> '' OR request_digest = '')
    ORDER BY sequence DESC LIMIT %(rows)s
), counted AS (
    SELECT *, sum(LEAST(%(share)s, GREATEST(size, CASE WHEN large THEN pg_column_size(blocks) END)) + 12)
        OVER (ORDER BY sequence DESC) AS total
    FROM newest
)
SELECT sequence, role,
    CASE WHEN size > 8 * %(share)s THEN left(text, %(share)s) || right(text, %(share)s) ELSE text END,
    CASE WHEN large THEN (
        SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('type', block->'type', 'name', left(block->>'name', 1000),
            'text', CASE WHEN octet_length(block->>'text') > 8 * %(share)s
                THEN left(block->>'text', %(share)s) || right(block->>'text', %(share)s) ELSE block->>'text' END)))
        FROM (SELECT block FROM jsonb_array_elements(blocks) WITH ORDINALITY AS each (block, place)
            ORDER BY place LIMIT 50) AS first_blocks)
    WHEN jsonb_array_length(blocks) = 1 AND blocks->0->>'type' = 'text' THEN null
    ELSE blocks END
FROM counted WHERE total <= %(bytes)s ORDER BY sequence DESC"""


def said(conversation: int, tokens: int, before: int, after: int = 0, windows: int = 1) -> list[Said]:
    """The newest messages between two sequences, newest first, at least as many as fit ``windows`` of so many tokens.

    None has more than a quarter of a window: of a longer one the rest is cut. Answers that have no text or are in the
    making are left out, images are named. One query.
    """
    share = max(1, tokens // 4)
    values = {"conversation": conversation, "before": before, "after": after, "rows": windows * MAX_ROWS}
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, {**values, "share": share * 4, "bytes": windows * tokens * 4})
        return [_said(share, *row) for row in cursor.fetchall()]


def _said(share: int, sequence: int, role: str, text: str, blocks: str | None) -> Said:
    speaker: Literal["user", "assistant"] = "user" if role == "user" else "assistant"
    if not blocks and text.strip() and (tokens := estimated_tokens(text)) <= share:
        # Nearly all messages, and there may be hundreds.
        return Said(sequence, PromptMessage(speaker, (Text(text),)), _MESSAGE_TOKENS + tokens)
    stored = map(deserialise, json.loads(blocks)) if blocks else [Text(text)]
    fitting = _fitting([_named(block) for block in stored if not _is_blank(block)], share, share)
    return Said(sequence, PromptMessage(speaker, fitting), _tokens(fitting))


def question_blocks(blocks: Sequence[Block], tokens: int) -> tuple[Block, ...]:
    """The blocks of a question within ``tokens``, of which a file may have half.

    Images are sent while half of the tokens is left for words, the last one in any case; the others are named.
    """
    return _fitting(_with_images(blocks, tokens), tokens, tokens // 2)


def _with_images(blocks: Sequence[Block], tokens: int) -> list[Block]:
    kept: list[Block] = []
    room = max(1, tokens // 2 // IMAGE_TOKENS)
    for block in reversed(blocks):
        if isinstance(block, Image):
            kept.append(block if room > 0 else _named(block))
            room -= 1
        elif not _is_blank(block):
            # Providers refuse blank texts; the window sends one along with an image.
            kept.append(block)
    return kept[::-1]


def _fitting(blocks: Sequence[Block], tokens: int, most_of_a_file: int) -> tuple[Block, ...]:
    """The blocks within ``tokens``: images first, then words, then files; a note stands for what is left out."""
    left = tokens - (_NOTE_TOKENS if len(blocks) > 1 else 0)
    kept: dict[int, Block] = {}
    for place in sorted(range(len(blocks)), key=lambda place: _ORDER[type(blocks[place])]):
        block = blocks[place]
        room = min(left, most_of_a_file) if isinstance(block, File) else left
        if kept and room < _LEAST_TOKENS and _size(block) > room:
            continue
        kept[place] = _cut(block, room)
        # However small the room is, an image leaves half of it for the words beside it.
        left -= min(_size(block), tokens // 2) if isinstance(block, Image) else _size(kept[place])
    fitting = [kept[place] for place in sorted(kept)]
    if len(kept) < len(blocks):
        fitting.append(Text(f"[left out: {len(blocks) - len(kept)} further parts of this message, which is too long]"))
    return tuple(fitting)


_ORDER: dict[type[Block], int] = {Image: 0, Text: 1, File: 2}


def _cut(block: Block, tokens: int) -> Block:
    match block:
        case Image():
            return block
        case Text():
            return block if _size(block) <= tokens else Text(cut_to(tokens, block.text))
        case File():
            named = replace(block, name=block.name[:MAX_NAME_CHARS])
            about = estimated_tokens(words((replace(named, text=""),)))
            return named if _size(named) <= tokens else replace(named, text=cut_to(tokens - about, block.text))


def _size(block: Block) -> int:
    return IMAGE_TOKENS if isinstance(block, Image) else estimated_tokens(words((block,)))


def _tokens(blocks: Iterable[Block]) -> int:
    return _MESSAGE_TOKENS + sum(map(_size, blocks))


def _named(block: Block) -> Block:
    """An image by its name alone: a model that saw it once has answered."""
    return Text(words((block,))) if isinstance(block, Image) else block


def _is_blank(block: Block) -> bool:
    return not words((block,)).strip()
