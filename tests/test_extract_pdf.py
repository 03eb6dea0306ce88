"""context/extract/pdf.py: the text of PDFs."""

from context.extract import extract
from tests.hostile import DOCUMENTS, pdf_page


def text_of(name: str) -> str:
    return extract((DOCUMENTS / name).read_bytes()).text


def test_two_columns_are_read_one_after_the_other() -> None:
    text = text_of("swifts.pdf")
    assert text.index("4 Discussion") > text.index("3 Results") > text.index("2 Methods")


def test_a_sentence_that_the_page_broke_is_whole() -> None:
    assert "and wind explained most of the difference." in text_of("swifts.pdf")


def test_bookmarks_become_headings() -> None:
    assert "\n\n## Pulizia\n\nIl gruppo erogatore va sciacquato" in text_of("manuale.pdf")


def test_lines_of_chinese_are_joined_without_a_blank() -> None:
    assert "请在到期之前打电话给管理员。" in text_of("tushujiao.pdf")


def test_the_title_is_found() -> None:
    assert extract((DOCUMENTS / "tren.pdf").read_bytes()).title == "Guía del viajero en tren"


def test_a_few_lines_before_a_pdf_do_no_harm() -> None:
    assert extract(b"\r\n\r\n" + pdf_page(b"BT /F 9 Tf (We sell hats) Tj ET")).text == "We sell hats"
