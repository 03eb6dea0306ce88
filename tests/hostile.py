"""Makes files that nobody means well with."""

import zipfile
import zlib
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pypdfium2

DOCUMENTS = Path(__file__).parent / "documents"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def office(name: str, part: str, content: str, times: int = 1) -> bytes:
    """One of the documents with another content, repeated, in one of its parts."""
    packed = BytesIO()
    with zipfile.ZipFile(DOCUMENTS / name) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.namelist():
            with target.open(member, "w") as written:
                for _ in range(times if member == part else 1):
                    written.write(content.encode() if member == part else source.read(member))
    return packed.getvalue()


def zipped(name: str, content: str) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def word(body: str, entities: str = "") -> bytes:
    doctype = f'<?xml version="1.0"?><!DOCTYPE x [{entities}]>' if entities else ""
    document = f'{doctype}<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>'
    return office("returns.docx", "word/document.xml", document)


def word_paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def billion_laughs() -> bytes:
    names = "abcdefghijklm"
    nested = [f'<!ENTITY {name} "{f"&{before};" * 20}">' for before, name in pairwise(names)]
    return word(word_paragraph("&m;"), "".join(['<!ENTITY a "ha">', *nested]))


def outside_entity(path: Path) -> bytes:
    return word(word_paragraph("Here: &a;"), f'<!ENTITY a SYSTEM "{path.as_uri()}">')


def sheet(rows: str) -> bytes:
    content = f'<worksheet xmlns="{_SHEET}"><sheetData>{rows}</sheetData></worksheet>'
    return office("fleet.xlsx", "xl/worksheets/sheet1.xml", content)


def pdf(kids: bytes, count: int, *objects: bytes) -> bytes:
    """A PDF with these kids and count of pages, and these objects, numbered from 3."""
    content, places = b"%PDF-1.7\n", []
    tree = b"<</Type/Pages/Count %d/Kids[%s]>>" % (count, kids)
    for number, what in enumerate([b"<</Type/Catalog/Pages 2 0 R>>", tree, *objects], 1):
        places.append(b"%010d 00000 n \n" % len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, what)
    trailer = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(places) + 1, len(content))
    return content + b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1) + b"".join(places) + trailer


def pdf_page(words: bytes, packed: int = 0) -> bytes:
    """One page whose content is ``words``, or those packed a number of times over."""
    for _ in range(packed):
        words = zlib.compress(words, 9)
    filters = b"/Filter[%s]" % (b"/FlateDecode" * packed)
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>"
    content = b"<</Length %d%s>>stream\n%s\nendstream" % (len(words), filters, words)
    return pdf(b"3 0 R", 1, page, content, b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")


def pdf_of_pages(number: int) -> bytes:
    with pypdfium2.PdfDocument.new() as document:
        for _ in range(number):
            document.new_page(99, 99)
        packed = BytesIO()
        document.save(packed)
        return packed.getvalue()
