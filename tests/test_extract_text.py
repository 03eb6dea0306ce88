"""context/extract: encodings, Markdown, reStructuredText, tables, JSON, notebooks and source code."""

import json

import pytest

from context.extract import Extracted, extract
from context.extract.base import tidied

GERMAN = "Größe, Länge und Breite müssen übereinstimmen. Äpfel kosten fünf Euro. "
RUSSIAN = "Магазин открывается в девять часов утра и закрывается в шесть часов вечера. "
JAPANESE = "露天風呂は朝五時から夜十一時まで利用できます。タオルはお部屋に用意してあります。"


def read(text: str | bytes, name: str = "", content_type: str = "") -> Extracted:
    return extract(text if isinstance(text, bytes) else text.encode(), name, content_type)


# Encodings.


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "utf-8"),
        (GERMAN, "utf-8-sig"),
        (GERMAN, "utf-16"),
        (GERMAN, "utf-32"),
        (GERMAN, "utf-16-le"),
        (GERMAN, "cp1252"),
        (RUSSIAN, "koi8-r"),
        (RUSSIAN, "cp1251"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (JAPANESE, "iso2022_jp"),
    ],
)
def test_an_encoding_is_guessed(text: str, encoding: str) -> None:
    assert read(text.encode(encoding)).text == text


def test_a_declared_encoding_is_believed() -> None:
    assert read("Só isto".encode("cp1252"), content_type="text/plain; charset=ISO-8859-1").text == "Só isto"


def test_a_page_declares_its_encoding_within() -> None:
    page = '<html><head><meta charset="iso-8859-2"></head><body><p>Żółta łódź płynie po jeziorze.</p></body></html>'
    assert "Żółta łódź" in read(page.encode("iso-8859-2")).text


def test_a_wrong_declaration_of_utf8_text_is_seen_through() -> None:
    assert read(GERMAN, content_type="text/plain; charset=iso-8859-1").text == GERMAN


@pytest.mark.parametrize("charset", ["", "unknown-8bit", "zip", "punycode", "unicode_escape", "x" * 1000, "utf-8\0"])
def test_a_declared_encoding_that_is_none_is_passed_over(charset: str) -> None:
    assert read(r"Gr\u00fc\u00dfe", content_type=f"text/plain; charset={charset}").text == r"Gr\u00fc\u00dfe"


def test_line_ends_of_other_systems_are_line_ends() -> None:
    assert read("one\r\ntwo\rthree").text == "one\ntwo\nthree"


# Marked-up text.


def test_markdown_keeps_its_headings_and_gives_its_first_as_title() -> None:
    extracted = read("# Guide #\n\ntext\n\n## Use\n", "guide.md")
    assert (extracted.title, extracted.text) == ("Guide", "# Guide #\n\ntext\n\n## Use\n")


def test_underlined_headings_of_markdown_become_the_others() -> None:
    assert read("Guide\n=====\n\nUse\n---\n\n- a\n---\n", "guide.md").text == "# Guide\n\n## Use\n\n- a\n---\n"


def test_front_matter_gives_the_title_and_goes() -> None:
    extracted = read('---\ntitle: "Our guide"\ntags: [a]\n---\nText.\n', "guide.md")
    assert (extracted.title, extracted.text) == ("Our guide", "Text.\n")


def test_restructuredtext_has_levels_in_the_order_of_their_first_use() -> None:
    text = "=====\nGuide\n=====\n\nUse\n---\n\nDaily\n~~~~~\n\nRepair\n------\n"
    extracted = read(text, "guide.rst")
    assert (extracted.title, extracted.text) == ("Guide", "# Guide\n\n## Use\n\n### Daily\n\n## Repair\n")


def test_a_line_of_dashes_in_restructuredtext_is_no_heading() -> None:
    text = "A sentence that is longer.\n---\n\n====  ====\na     b\n====  ====\n"
    assert read(text, "guide.rst").text == text


def test_source_code_stays_as_it_is() -> None:
    code = "# A comment\n\n\n\ndef f():\n    return 1\n"
    assert read(code, "code.py") == Extracted(code, "", headings=False)


def test_a_heading_said_twice_is_said_once() -> None:
    assert tidied("# Guide  \n\n\n\n## Guide\n\n# Guide\n\ntext") == "# Guide\n\ntext"


def test_many_blanks_are_tidied_quickly() -> None:
    assert tidied(f"a{' ' * 300_000}b") == f"a{' ' * 300_000}b"


# Tables, JSON and notebooks.


def test_a_small_table_is_one_of_markdown() -> None:
    assert read("name,price\nHat,3\nA|B,4\n", "a.csv").text == "| name | price |\n|---|---|\n| Hat | 3 |\n| A\\|B | 4 |"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_rows_of_a_large_table_name_their_columns(separator: str) -> None:
    rows = [["name", "price", "note"]] + [[f"Hat {number}", str(number), ""] for number in range(100)]
    text = read("\n".join(separator.join(row) for row in rows), "a.csv").text
    assert text.splitlines()[7] == "name: Hat 7; price: 7"


def test_rows_without_a_header_are_values() -> None:
    text = read("".join(f"Hat {number},{number}\n" for number in range(200)), "a.csv").text
    assert text.startswith("Hat 0; 0\nHat 1; 1\n")


def test_a_cell_may_hold_quotes_and_line_ends() -> None:
    text = read('name,note\nHat,"red, ""large""\nand round"\n', "a.csv").text
    assert text.endswith('| Hat | red, "large" and round |')


@pytest.mark.parametrize("text", ['a,b\n"never closed', "a", ",,,\n,,\n", '"' * 1000, "a\0b,c\nd,e"])
def test_a_table_that_is_none_is_read_all_the_same(text: str) -> None:
    assert isinstance(read(text, "a.csv").text, str)


def test_json_values_carry_the_keys_above_them() -> None:
    value = {"shop": {"name": "Hüte", "open": True}, "tags": ["a", 1], "hats": [{"price": 3}, {"price": 4}], "no": None}
    text = read(json.dumps(value), "a.json").text
    assert text == "shop.name: Hüte\nshop.open: true\ntags: a, 1\n\nhats.price: 3\n\nhats.price: 4"


def test_json_of_one_value_a_line_is_read() -> None:
    assert read('{"a": 1}\n\n{"a": 2}\n', "a.jsonl").text == "a: 1\n\na: 2"


def test_broken_json_is_text() -> None:
    assert read("{a: 1, // remark\n}", "a.json").text == "{a: 1, // remark\n}"


def test_a_notebook_is_prose_and_code_without_output() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Rain\n", "\n", "It rained."]},
        {"cell_type": "code", "source": "print(1)", "outputs": [{"data": {"image/png": "iVBORw0KGgo"}}]},
    ]
    extracted = read(json.dumps({"cells": cells, "nbformat": 4}), "a.ipynb")
    assert (extracted.title, extracted.text) == ("Rain", "# Rain\n\nIt rained.\n\n```\nprint(1)\n```")
