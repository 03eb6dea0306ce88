"""Word, PowerPoint and Excel: zip archives of XML, looked at before anything is unpacked."""

from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from zipfile import BadZipFile, ZipFile

from context.extract.base import Extracted, Unreadable

MAX_UNPACKED = 200_000_000
_MAX_PARTS = 20_000
_READERS = {
    "word/document": "context.extract.word",
    "ppt/presentation": "context.extract.slides",
    "xl/workbook": "context.extract.sheets",
}


def read(content: bytes) -> Extracted:
    try:
        with ZipFile(BytesIO(content)) as archive:
            reader = _reader(archive)
    except (BadZipFile, EOFError, ValueError, NotImplementedError):
        raise Unreadable("This file is damaged or incomplete.") from None
    return reader(content)


def _reader(archive: ZipFile) -> Callable[[bytes], Extracted]:
    parts = archive.infolist()
    if len(parts) > _MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise Unreadable(f"Unpacked, this file is larger than {MAX_UNPACKED // 1_000_000} MB.")
    for part in parts:
        for start, module in _READERS.items():
            if part.filename.startswith(start):
                read: Callable[[bytes], Extracted] = import_module(module).read
                return read
    if any(part.flag_bits & 1 for part in parts):
        raise Unreadable("This archive is locked with a password.")
    if parts and parts[0].filename == "mimetype" and b"opendocument" in archive.read(parts[0])[:100]:
        raise Unreadable("This is an OpenDocument file: save it as .docx, .xlsx, .pptx or PDF.")
    raise Unreadable("This is an archive of files: unpack it, and add what is in it.")
