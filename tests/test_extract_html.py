"""context/extract/html.py: the main text of a web page."""

import pytest

from context.extract import extract

FRAME = """<!DOCTYPE html><html><head><title>Guide - Hat shop</title></head><body>
<nav><ul><li><a href="/">Home of the menu</a></li></ul></nav><main>{}</main>
<footer>Imprint at the foot</footer></body></html>"""
LONG = "<p>" + "Hats are worn on the head by many people in the cold season of the year. " * 8 + "</p>"


def text_of(main: str) -> str:
    return extract(FRAME.format(main).encode(), content_type="text/html; charset=utf-8").text


@pytest.mark.parametrize("main", ["<h1>Hats</h1><p>We sell hats.</p>", f"<h1>Hats</h1>{LONG}"])
def test_menus_and_footers_are_left_out(main: str) -> None:
    text = text_of(main)
    assert text.startswith("# Hats\n\n")
    assert "menu" not in text
    assert "foot" not in text


def test_headings_keep_their_levels() -> None:
    assert "# Hats\n\nHats" in (text := text_of(f"<h1>Hats</h1>{LONG}<h2>Care</h2><p>Brush them.</p>"))
    assert "## Care\n\nBrush them." in text


def test_a_table_is_one_of_markdown() -> None:
    table = "<table><tr><th>Hat</th><th>Price</th></tr><tr><td>Bowler</td><td>30 €</td></tr></table>"
    assert "| Hat | Price |\n|---|---|\n| Bowler | 30 € |" in text_of(f"<h1>Hats</h1>{LONG}{table}")


def test_code_keeps_its_indentation() -> None:
    code = "<pre><code>def f():\n    return hat_size\n</code></pre>"
    assert "```\ndef f():\n    return hat_size\n```" in text_of(f"<h1>Hats</h1>{LONG}{code}")


def test_names_with_underscores_are_not_escaped() -> None:
    assert "Set MAX_HAT_SIZE to 5 * 2." in text_of(f"{LONG}<p>Set MAX_HAT_SIZE to 5 * 2.</p>")


def test_the_title_is_found() -> None:
    assert extract(FRAME.format(f"<h1>Hats</h1>{LONG}").encode()).title in ("Hats", "Guide - Hat shop")


def test_a_piece_of_a_page_is_read() -> None:
    assert extract(b"<p>We sell hats.</p>", content_type="text/html").text == "We sell hats."


def test_scripts_and_styles_are_no_text() -> None:
    text = text_of(f"<style>p{{color:red}}</style><script>alert(1)</script>{LONG}")
    assert "alert" not in text
    assert "color" not in text


def test_a_page_is_known_without_name_and_type() -> None:
    page = b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a remark --><html><body><p>We sell hats.</p></body></html>"
    assert extract(page).text == "We sell hats."


def test_a_row_of_remarks_does_not_stop_the_guess() -> None:
    assert extract(b"<!-- -->" * 400 + b"no page").text.endswith("no page")


def test_the_content_type_counts_more_than_the_name() -> None:
    assert extract(b"<p>We sell hats.</p>", "https://example.com/README.md", "text/html").text == "We sell hats."
