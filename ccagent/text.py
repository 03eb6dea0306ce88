"""Text from outside: made fit for Postgres, and measured."""

import re

# NUL is refused by Postgres in text and jsonb, lone surrogates by psycopg.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """The text with every NUL and lone surrogate replaced by U+FFFD; the one place where this is done."""
    return _UNSTORABLE.sub("\ufffd", text) if _UNSTORABLE.search(text) else text


def estimated_tokens(text: str) -> int:
    """About four characters a token, which errs on the high side for English and the low side for code."""
    return len(text) // 4 + 1
