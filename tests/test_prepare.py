"""context/prepare.py: whatever comes, text with its chunks or a sentence."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from context.extract.base import MAX_CHARS
from context.prepare import Prepared, Unreadable, prepare
from tests.hostile import (
    DOCUMENTS,
    billion_laughs,
    office,
    outside_entity,
    pdf,
    pdf_of_pages,
    pdf_page,
    sheet,
    word,
    word_paragraph,
    zipped,
)

QUESTIONS = json.loads((DOCUMENTS.parent / "documents_questions.json").read_text("utf-8"))
LANGUAGES = {
    "english": ["fleet.xlsx", "queue-worker.js", "rainfall.ipynb", "returns.docx", "swifts.pdf", "weather.json"],
    "arabic": ["hadiqa.html"],
    "dutch": ["voorraad.csv"],
    "finnish": ["sauna.txt"],
    "french": ["recettes.docx"],
    "german": ["oeffnungszeiten.html"],
    "greek": ["vivliothiki.md"],
    "italian": ["manuale.pdf"],
    "portuguese": ["museu.pptx"],
    "russian": ["dacha.txt"],
    "spanish": ["tren.pdf"],
    "swedish": ["fjallstuga.pptx"],
    "turkish": ["kutuphane.html"],
    "simple": ["onsen.txt", "tushujiao.pdf", "umtholampilo.docx", "voetslaan.rst"],
}
JUNGLE = "George is the king of the jungle. He likes hats and eats snails."


def prepared(name: str) -> Prepared:
    return prepare((DOCUMENTS / name).read_bytes(), name=name)


def sentence_about(content: bytes | str, name: str = "", content_type: str = "") -> str:
    with pytest.raises(Unreadable) as refusal:
        prepare(content, name=name, content_type=content_type)
    return str(refusal.value)


# Files of many kinds, languages and encodings, made by LibreOffice, pandoc and Chromium.


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_answers_in_a_document_are_found_in_one_of_its_chunks(name: str) -> None:
    chunks = prepared(name).chunks
    for answer in QUESTIONS[name].values():
        assert [chunk for chunk in chunks if answer in chunk.text], answer


@pytest.mark.parametrize("name", QUESTIONS)
def test_chunks_of_a_document_are_parts_of_its_text(name: str) -> None:
    document = prepared(name)
    assert all(document.text[chunk.start :].startswith(chunk.text) for chunk in document.chunks)


@pytest.mark.parametrize(("language", "name"), [(key, name) for key, names in LANGUAGES.items() for name in names])
def test_the_language_of_a_document_is_known(language: str, name: str) -> None:
    assert prepared(name).language == language


# Text that comes as text.


def test_a_short_text_is_prepared() -> None:
    document = prepare("I like to play baseball and my name is George")
    assert (document.language, document.title, document.chunks[0].heading) == ("english", "", "")


@pytest.mark.parametrize("times", [1, 2000])
def test_what_postgres_cannot_hold_is_replaced(times: int) -> None:
    text = prepare(f"George\0 is king\ud800. {JUNGLE * times}").text
    assert text.startswith("George\ufffd is king\ufffd. George")


def test_a_long_text_is_prepared_as_a_short_one_is() -> None:
    text = f"# Jungle\n\n{JUNGLE}\n\n## Zebras\n\n" + "\n\n".join(f"Zebra {number} sleeps." for number in range(9000))
    document = prepare(f"  {text}\r\n")
    assert (document.text, document.language) == (text, "english")
    assert {chunk.heading for chunk in document.chunks} == {"Jungle", "Jungle > Zebras"}


def test_a_page_that_comes_as_text_is_a_page() -> None:
    assert prepare(f"<!DOCTYPE html><html><body><script>x()</script><p>{JUNGLE}</p></body></html>").text == JUNGLE


# What cannot be read.


@pytest.mark.parametrize("content", [b"", b" \r\n\t", "", "\n \u3000", b"\xef\xbb\xbf"])
def test_nothing_is_said_to_be_nothing(content: bytes | str) -> None:
    assert sentence_about(content) == "This holds no text."


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("locked.pdf", "locked with a password"),
        ("locked.docx", "locked with a password"),
        ("scan.pdf", "pictures of pages"),
        ("legacy.doc", "in the old form"),
        ("legacy.xls", "in the old form"),
    ],
)
def test_real_files_that_cannot_be_read_are_told_apart(name: str, words: str) -> None:
    assert words in sentence_about((DOCUMENTS.parent / "unreadable" / name).read_bytes(), name)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "an image"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "an image"),
        (b"RIFF\0\0\0\0WAVEfmt ", "a sound recording"),
        (b"\0\0\0\x20ftypisom", "a video"),
        (b"\x7fELF\2\1\1", "a program"),
        (b"SQLite format 3\0", "a database"),
        (gzip.compress(JUNGLE.encode()), "unpack it first"),
        (b"PK\3\4" + b"\0" * 100, "damaged"),
        (os.urandom(20_000), "a file of data"),
        (b"%PDF-1.7\n nothing more", "damaged"),
        (b"{\\rtf1 words}", "Rich Text"),
        (zipped("mimetype", "application/vnd.oasis.opendocument.text"), "OpenDocument"),
        (zipped("notes.txt", "words"), "an archive of files"),
    ],
    # Bytes as names would be others in each process of a parallel run.
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("name", ["", "notes.txt", "page.html"])
def test_what_is_no_text_is_named(content: bytes, words: str, name: str) -> None:
    assert words in sentence_about(content, name)


@pytest.mark.parametrize("name", ["returns.docx", "museu.pptx", "fleet.xlsx", "swifts.pdf"])
def test_a_file_cut_short_is_damaged(name: str) -> None:
    content = (DOCUMENTS / name).read_bytes()
    assert "damaged" in sentence_about(content[: len(content) // 3], name)


def test_the_content_counts_more_than_the_name() -> None:
    assert (
        prepare((DOCUMENTS / "tren.pdf").read_bytes(), name="notes.txt", content_type="text/plain").language
        == "spanish"
    )


# What means harm.


def far_cell() -> bytes:
    return sheet('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')


def one_cell_many_times() -> bytes:
    cell = f'<c t="inlineStr"><is><t>{"hats " * 6000}</t></is></c>'
    return sheet(f"<row>{cell}</row>" * 400)


def pages_in_a_circle() -> bytes:
    return pdf(b"2 0 R 2 0 R 3 0 R", 299, b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>")


def pages_that_are_not_there() -> bytes:
    return pdf(b"3 0 R", 100, b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>")


def packed_words() -> bytes:
    return pdf_page(b"BT /F 9 Tf (We sell hats) Tj ET\n" * 4_000_000, packed=2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: office("returns.docx", "word/document.xml", " " * 1_000_000, 201), "larger than 200 MB"),
        (far_cell, "memory"),
        (one_cell_many_times, "more than 10,000,000 characters"),
        (billion_laughs, "damaged"),
        (lambda: word("<w:sdt><w:sdtContent>" * 50_000), "damaged"),
        (lambda: pdf_of_pages(400), "has 400 pages, and 300 is the most"),
        (pages_in_a_circle, "damaged"),
        (pages_that_are_not_there, "damaged"),
        (packed_words, "memory"),
        (lambda: b"[" * 1_000_000, "nested too deeply"),
        (lambda: b"hats " * (MAX_CHARS // 5 + 1), "more than 10,000,000 characters"),
    ],
)
def test_a_bomb_is_refused(make: Callable[[], bytes], words: str) -> None:
    assert words in sentence_about(make(), "bomb.json" if "nested" in words else "bomb")


def test_a_document_cannot_ask_for_other_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush")
    assert prepare(outside_entity(tmp_path / "secret")).text == "Here:"


def test_a_page_nested_without_end_keeps_what_stands_before() -> None:
    page = f"<html><body><p>{JUNGLE}</p>{'<b><i><font>' * 30_000}deep"
    assert prepare(page.encode()).text == JUNGLE


def test_a_table_within_a_table_within_a_table_is_read() -> None:
    start, end = "<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>"
    assert "words" in prepare(word(start * 60 + word_paragraph("words") + end * 60)).text


def test_a_page_of_10_mb_is_read() -> None:
    page = f"<html><body><p>{'We sell hats, and more hats. ' * 340_000}</p></body></html>"
    assert len(prepare(page.encode()).chunks) > 5000
