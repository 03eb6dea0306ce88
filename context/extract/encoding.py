"""From bytes to characters: marked, declared or guessed."""

import codecs
import re
from collections.abc import Iterator

from context.extract.base import Unreadable

# Whatever a page may declare and a file may turn out to be; Python's codecs that only transform are not among them.
_ENCODINGS = [
    *("utf-8", "utf-16-le", "utf-16-be", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256"),
    *("cp1257", "cp1258", "iso8859-2", "iso8859-5", "iso8859-7", "iso8859-15", "koi8-r", "koi8-u", "cp850", "cp866"),
    *("mac-roman", "cp932", "euc_jis_2004", "iso2022_jp_2", "gb18030", "big5hkscs", "cp949", "cp874"),
]
# As browsers do: who declares the left means the right, which holds more characters.
_MEANT = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "big5": "big5hkscs",
    "euc_jp": "euc_jis_2004",
    "iso2022_jp": "iso2022_jp_2",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
}
_MARKS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
_DECLARED = re.compile(r"""(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE)
_STRANGE = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ufffd]")
_MAX_STRANGE = 0.02
_SAMPLE = 100_000


def decode(content: bytes, content_type: str = "") -> str:
    """The text of some bytes. Raises ``Unreadable`` where they hold something else."""
    for encoding in _candidates(content, content_type):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        # A wrong declaration often decodes, into control characters.
        if _is_text(text):
            return text
    text = content.decode("cp1252", "replace")
    if not _is_text(text):
        raise Unreadable("This is a file of data rather than of text, or in an encoding that nobody could guess.")
    return text


def _candidates(content: bytes, content_type: str) -> Iterator[str]:
    yield from (encoding for mark, encoding in _MARKS if content.startswith(mark))
    # What is right UTF-8 is so hardly ever by chance that a declaration must yield; escapes mean ISO-2022.
    if b"\x1b" not in content:
        yield "utf-8"
    head = content[:4096].decode("latin-1")
    for label in _DECLARED.findall(content_type) + (_DECLARED.findall(head) if "<" in head else []):
        yield from _known(label)
    # Its tables take 40 MB, too much for the server.
    import chardet

    guess = chardet.detect(_around_first_special(content), include_encodings=_ENCODINGS, prefer_superset=True)
    if guess["encoding"]:
        yield guess["encoding"]
    yield "utf-8"


def _around_first_special(content: bytes) -> bytes:
    """A sample that holds some of what tells encodings apart."""
    special = re.search(rb"[\x80-\xff\x1b]", content)
    start = max(0, special.start() - 1000) & ~1 if special else 0
    return content[start : start + _SAMPLE]


def _known(label: str) -> Iterator[str]:
    try:
        name = codecs.lookup(label).name
    except LookupError:
        return
    if _MEANT.get(name, name) in _ENCODINGS:
        yield _MEANT.get(name, name)


def _is_text(text: str) -> bool:
    sample = text[:_SAMPLE]
    return len(_STRANGE.findall(sample)) <= max(2, len(sample) * _MAX_STRANGE)
