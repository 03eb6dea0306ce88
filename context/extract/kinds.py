"""What kind of content some bytes are: by what they begin with, by content type, by name."""

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from context.extract.base import Unreadable

_COMPRESSED = "a compressed archive: unpack it first"
_LEGACY = "a file in the old form of Word, Excel or PowerPoint: save it as .docx, .xlsx or .pptx"
_LOCKED = "locked with a password: save it without one"
_IMAGE, _SOUND, _VIDEO = "an image without text", "a sound recording", "a video"
_PROGRAM, _DATABASE, _FONT = "a program", "a database", "a font"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_UNREADABLE = [
    (0, b"\x89PNG", _IMAGE),
    (0, b"\xff\xd8\xff", _IMAGE),
    (0, b"GIF8", _IMAGE),
    (0, b"II*\0", _IMAGE),
    (0, b"MM\0*", _IMAGE),
    (0, b"\0\0\1\0", _IMAGE),
    (0, b"8BPS", _IMAGE),
    (8, b"WEBP", _IMAGE),
    (8, b"WAVE", _SOUND),
    (8, b"AVI ", _VIDEO),
    (4, b"ftypheic", _IMAGE),
    (4, b"ftypavif", _IMAGE),
    (4, b"ftypM4A", _SOUND),
    (4, b"ftyp", _VIDEO),
    (0, b"ID3", _SOUND),
    (0, b"\xff\xfb", _SOUND),
    (0, b"OggS", _SOUND),
    (0, b"fLaC", _SOUND),
    (0, b"\x1a\x45\xdf\xa3", _VIDEO),
    (0, b"\x1f\x8b", _COMPRESSED),
    (0, b"BZh", _COMPRESSED),
    (0, b"\xfd7zXZ\0", _COMPRESSED),
    (0, b"7z\xbc\xaf\x27\x1c", _COMPRESSED),
    (0, b"Rar!\x1a\7", _COMPRESSED),
    (0, b"\x28\xb5\x2f\xfd", _COMPRESSED),
    (257, b"ustar", _COMPRESSED),
    (0, b"\x7fELF", _PROGRAM),
    (0, b"MZ\x90\0", _PROGRAM),
    (0, b"\xca\xfe\xba\xbe", _PROGRAM),
    (0, b"\0asm", _PROGRAM),
    (0, b"SQLite format 3\0", _DATABASE),
    (0, b"PAR1", _DATABASE),
    (0, b"wOFF", _FONT),
    (0, b"wOF2", _FONT),
    (0, b"\0\1\0\0\0", _FONT),
    (0, b"OTTO\0", _FONT),
    (0, _OLE, _LEGACY),
    (0, b"{\\rtf", "a file in the Rich Text Format: save it as Word or PDF"),
    (0, b"%!PS", "a PostScript file: save it as PDF"),
]
_BY_TYPE = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/markdown": "markdown",
    "application/markdown": "markdown",
    "text/x-markdown": "markdown",
    "text/x-rst": "rst",
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/csv": "csv",
    "application/json": "json",
    "application/jsonl": "json",
    "application/ndjson": "json",
    "application/x-ndjson": "json",
    "application/x-ipynb": "notebook",
    "application/x-ipynb+json": "notebook",
}
_BY_SUFFIX = {
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".rst": "rst",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".ipynb": "notebook",
    "": "text",
    ".txt": "text",
    ".text": "text",
}
_HTML = re.compile(r"(?>\s+|<!--.*?-->|<\?xml[^>]*>)*+<(?:!doctype html|html|head|body)\b", re.IGNORECASE | re.DOTALL)


def binary_kind(content: bytes) -> str:
    """``pdf``, ``zip`` (all newer Office files are), or empty for what may be text; else raises ``Unreadable``."""
    # Some programs write a few lines before a PDF.
    if b"%PDF-" in content[:1024]:
        return "pdf"
    if content.startswith((b"PK\3\4", b"PK\5\6")):
        return "zip"
    # A newer Office file that is encrypted is packed in the old form.
    if content.startswith(_OLE) and "EncryptedPackage".encode("utf-16-le") in content:
        raise Unreadable(f"This is {_LOCKED}.")
    for place, magic, what in _UNREADABLE:
        if content.startswith(magic, place):
            raise Unreadable(f"This is {what}.")
    return ""


def text_kind(text: str, name: str, content_type: str) -> str:
    """One of ``html``, ``markdown``, ``rst``, ``csv``, ``json``, ``notebook``, ``text`` and ``code``."""
    media_type = content_type.partition(";")[0].strip().lower()
    kind = _BY_TYPE.get(media_type) or _BY_SUFFIX.get(suffix(name), "code")
    if media_type.endswith("+json") and kind == "code":
        return "json"
    return "html" if kind == "text" and _HTML.match(text[:4096]) else kind


def suffix(name: str) -> str:
    """The ending of a file name or of a URL's path, like ``.pdf``; empty where there is none."""
    return PurePosixPath(urlsplit(name).path if "://" in name else name.replace("\\", "/")).suffix.lower()
