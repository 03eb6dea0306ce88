"""How a text is written for Postgres' text search parser."""

import re
import unicodedata

# The parser makes one lexeme of "input/output", "module.name" or "<div>", which then is found by nothing else. A point
# stays between digits. Non-ASCII signs are letters to it in a database of the C locale.
_SIGNS = re.compile(r"[!-\-/:-@\[-`{-~\u00a0-\u00bf\u2010-\u2027\u2030-\u205e\u3000-\u303f]|(?<!\d)\.|\.(?!\d)")
# Thai, Lao, Myanmar, Khmer; Japanese, Chinese, Korean.
_GAPLESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
    "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]+"
)


def searchable(text: str) -> str:
    """The text in words with blanks between them.

    Scripts without gaps between words become overlapping pairs of characters, and so does Korean for its particles.
    """
    text = unicodedata.normalize("NFKC", text).lower()
    if not text.isascii():
        text = _GAPLESS.sub(_pairs, text.replace("\u00ad", ""))
    return _SIGNS.sub(" ", text)


def _pairs(run: re.Match[str]) -> str:
    pairs = map("".join, zip(run[0], run[0][1:], strict=False))
    return f" {' '.join(pairs) or run[0]} "
