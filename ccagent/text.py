"""Text from outside: made fit for Postgres, and measured."""

import re

# NUL is refused by Postgres in text and jsonb, lone surrogates by psycopg.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """The text with every NUL and lone surrogate replaced by U+FFFD; the one place where this is done."""
    return _UNSTORABLE.sub("\ufffd", text) if _UNSTORABLE.search(text) else text


def estimated_tokens(text: str) -> int:
    """Four bytes of UTF-8 a token: a guess without the model's own tokenizer.

    A tenth or so too many for English prose, up to a half too few for code and for scripts a tokenizer knows badly.
    """
    return len(text if text.isascii() else text.encode(errors="surrogatepass")) // 4 + 1


def cut_to(tokens: int, text: str) -> str:
    """The text within so many (estimated) tokens: of a longer one the beginning and the end, with a note between."""
    if estimated_tokens(text) <= tokens:
        return text
    room = max(0, tokens * 4 - len(_LEFT_OUT) - 1)
    encoded = text.encode(errors="surrogatepass")
    head, tail = encoded[: room - room // 4], encoded[len(encoded) - room // 4 :]
    return f"{head.decode(errors='ignore')}{_LEFT_OUT}{tail.decode(errors='ignore')}"


_LEFT_OUT = "\n[cut here: too long to be given whole]\n"
