"""Content blocks: what a message is made of, in the API, in storage and for a model."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Image:
    """``base64`` is the very string that came: plain base64 or a ``data:image/…;base64,…`` URL."""

    name: str
    base64: str = ""

    @property
    def data_url(self) -> str:
        """As models take it; the media type of plain base64 is told from its first bytes."""
        if self.base64.startswith("data:"):
            return self.base64
        return f"data:{_media_type(self.base64)};base64,{self.base64}"


@dataclass(frozen=True)
class File:
    """``text`` is the file's text, already extracted by the window."""

    name: str
    text: str


@dataclass(frozen=True)
class Upload:
    """A file as it is, whose text has not been taken out yet; ``base64`` may be a data URL."""

    name: str
    base64: str

    @property
    def data(self) -> bytes:
        return base64.b64decode(self.base64.rpartition(",")[2])


Block = Text | Image | File


class InvalidContent(ValueError):
    """Content that is no list of blocks; ``path`` names the field, ``reason`` says why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


BLOCK_TYPES: dict[str, type[Block]] = {"text": Text, "image": Image, "file": File}
_TYPES = {block_class: name for name, block_class in BLOCK_TYPES.items()}
_IMAGE_URL = re.compile(r"data:image/[\w.+-]+(?:;[\w.+-]+=[\w.+-]*)*;base64,", re.ASCII)
_FILE_URL = re.compile(r"data:(?:[\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[\w.+-]*)*;base64,", re.ASCII)
MAX_BLOCKS = 1000
MAX_NAME_CHARS = 1000


def parse(value: Any, path: str = "content") -> list[Block | Upload]:
    """Blocks out of decoded JSON; a plain string is one text block. Raises ``InvalidContent``."""
    if isinstance(value, str):
        value = [{"type": "text", "text": value}]
    if not isinstance(value, list):
        raise InvalidContent(path, "must be a list of blocks, or a string.")
    if len(value) > MAX_BLOCKS:
        raise InvalidContent(path, f"has more than {MAX_BLOCKS} blocks.")
    blocks = [_block(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if not any(isinstance(block, Image | Upload) or block.text.strip() for block in blocks):
        raise InvalidContent(path, "is empty: send a text, an image or a file.")
    return blocks


def _block(item: Any, path: str) -> Block | Upload:
    if not isinstance(item, dict):
        raise InvalidContent(path, "must be an object with a type.")
    kind = item.get("type")
    if not isinstance(kind, str) or kind not in BLOCK_TYPES:
        raise InvalidContent(f"{path}.type", "must be text, image or file.")
    block_class = BLOCK_TYPES[kind] if kind != "file" or "base64" not in item or "text" in item else Upload
    block = block_class(*(_string(item, part.name, path) for part in fields(block_class)))
    if not isinstance(block, Text | File):
        _check_data(block, path)
    return block


def _string(item: dict[str, Any], name: str, path: str) -> str:
    if name not in item:
        raise InvalidContent(f"{path}.{name}", "is missing.")
    if not isinstance(item[name], str):
        raise InvalidContent(f"{path}.{name}", "must be a string.")
    return str(item[name])


def _check_data(block: Image | Upload, path: str) -> None:
    if len(block.name) > MAX_NAME_CHARS:
        raise InvalidContent(f"{path}.name", f"is longer than {MAX_NAME_CHARS:,} characters.")
    is_image = isinstance(block, Image)
    url = (_IMAGE_URL if is_image else _FILE_URL).match(block.base64)
    if block.base64.startswith("data:") and not url:
        example = "data:image/…;base64,…" if is_image else "data:…;base64,…"
        raise InvalidContent(f"{path}.base64", f"must be base64, or a {example} URL.")
    data = block.base64[url.end() :] if url else block.base64
    try:
        decoded = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidContent(f"{path}.base64", "is not base64.") from None
    if not decoded:
        raise InvalidContent(f"{path}.base64", "is empty.")


_SIGNATURES = {b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}


def _media_type(data: str) -> str:
    head = base64.b64decode(data[:16] + "=" * (-len(data[:16]) % 4))
    return next((name for signature, name in _SIGNATURES.items() if head.startswith(signature)), "image/png")


def serialise(block: Block) -> dict[str, str]:
    """The block in the contract's shape."""
    return {"type": _TYPES[type(block)], **asdict(block)}


def deserialise(stored: Mapping[str, str]) -> Block:
    """The block out of what ``serialise`` gave; an image whose data is kept elsewhere comes without it."""
    values = {name: value for name, value in stored.items() if name != "type"}
    return BLOCK_TYPES[stored["type"]](**values)


def plain_text(blocks: Sequence[Block]) -> str:
    """What the person wrote, without files and images: for search and previews."""
    return "\n".join(block.text for block in blocks if isinstance(block, Text))


def images(blocks: Sequence[Block]) -> Iterator[tuple[int, Image]]:
    """The images with their positions among the blocks."""
    for position, block in enumerate(blocks):
        if isinstance(block, Image):
            yield position, block
