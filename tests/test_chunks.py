"""context/chunks.py: a text is cut along headings, paragraphs and sentences."""

import pytest

from context.chunks import CHUNK_CHARS, OVERLAP_CHARS, cut

JUNGLE = "George is the king of the jungle. He likes hats and eats snails."
LONG = "\n\n".join(f"Paragraph {number}. " + "It says a little about this and that. " * 8 for number in range(40))
GUIDE = f"# Guide\n\n## Install\n\n{JUNGLE * 60}\n\n## Use\n\nIt is used daily.\n\n## Repair\n\nNobody can.\n"


def texts(text: str) -> list[str]:
    return [chunk.text for chunk in cut(text)]


def test_a_short_text_is_one_chunk() -> None:
    assert texts(JUNGLE) == [JUNGLE]


def test_a_long_text_is_cut_within_the_bound() -> None:
    chunks = texts(LONG)
    assert len(chunks) > 5
    assert max(map(len, chunks)) <= CHUNK_CHARS


def test_nothing_is_lost_between_the_chunks() -> None:
    joined = " ".join(texts(LONG))
    assert [f"Paragraph {number}." in joined for number in range(40)] == [True] * 40


def test_neighbours_overlap() -> None:
    words = texts("word " * 1000)
    assert sum(map(len, words)) > 5000 - 10 + (len(words) - 1) * OVERLAP_CHARS * 0.8


def test_a_text_without_a_single_blank_is_cut_too() -> None:
    chunks = texts("x" * 10_000)
    assert max(map(len, chunks)) <= CHUNK_CHARS


def test_a_table_row_is_not_cut() -> None:
    rows = [f"| Hat {number} | worn on the head in winter | {number} euros |" for number in range(200)]
    chunks = texts("# Hats\n\n| Hat | Use | Price |\n|---|---|---|\n" + "\n".join(rows))
    assert all(line in rows for chunk in chunks[1:] for line in chunk.splitlines())


def test_code_that_fits_is_not_cut() -> None:
    code = "```python\n" + "hats = hats + 1  # one more\n" * 40 + "```"
    assert any(code in chunk for chunk in texts(f"# Hats\n\n{JUNGLE * 10}\n\n{code}\n\n{JUNGLE * 10}"))


@pytest.mark.parametrize(
    "text",
    [
        GUIDE,
        LONG,
        "x" * 150_000,
        f"a{' ' * 60_000}b",
        "ä🐌 " * 30_000,
        "# a\n" * 20_000,
        "# a\n\nb\n\n" * 10_000,
        "# Guide\n" + "\n" * 5000 + JUNGLE * 100,
        "```\n" * 9999 + "# a",
        f"#{' a' * 5000}\n\n{JUNGLE}",
        "#\n##\n### \t\n####### a\n",
        "".join(f"{'#' * (1 + number % 6)} Part {number}\n\n{JUNGLE * (number % 40)}\n\n" for number in range(200)),
    ],
    ids=range(12),
)
def test_a_chunk_of_any_text_is_a_part_of_it_and_not_too_long(text: str) -> None:
    chunks = cut(text)
    assert all(text[chunk.start : chunk.start + len(chunk.text)] == chunk.text for chunk in chunks)
    assert 0 < min(len(chunk.text) for chunk in chunks) <= max(len(chunk.text) for chunk in chunks) <= CHUNK_CHARS


# Headings.


def test_a_chunk_knows_the_headings_above_it() -> None:
    headings = [chunk.heading for chunk in cut(GUIDE)]
    assert headings == ["Guide > Install"] * (len(headings) - 1) + ["Guide"]


def test_a_heading_is_no_chunk_of_its_own() -> None:
    assert cut(GUIDE)[0].text.startswith("# Guide\n\n## Install\n\nGeorge is the king")


def test_what_is_before_the_first_heading_has_none() -> None:
    assert cut(f"{JUNGLE * 30}\n\n# Guide\n\n{JUNGLE * 30}")[0].heading == ""


def test_sections_that_share_a_chunk_name_what_they_have_in_common() -> None:
    assert [chunk.heading for chunk in cut("# Guide\n\n## Use\n\nDaily.\n\n## Repair\n\nNever.")] == ["Guide"]


def test_a_higher_heading_ends_those_below_the_one_before() -> None:
    text = "".join(
        f"{marks} {title}\n\n{JUNGLE * 25}\n\n" for marks, title in [("##", "A"), ("####", "B"), ("##", "C")]
    )
    assert list(dict.fromkeys(chunk.heading for chunk in cut(text))) == ["A", "A > B", "C"]


def test_a_heading_goes_with_what_follows_it() -> None:
    chunks = texts(f"# A\n\n{JUNGLE * 15}\n\n# B\n\n## C\n\n{JUNGLE * 15}")
    assert [chunk[:9] for chunk in chunks] == ["# A\n\nGeor", "# B\n\n## C"]


def test_a_comment_in_code_is_no_heading() -> None:
    assert {chunk.heading for chunk in cut(f"# A\n\n~~~\n# B\n```\n# C\n~~~\n\n{JUNGLE * 40}")} == {"A"}


def test_headings_can_be_off() -> None:
    assert {chunk.heading for chunk in cut(f"# A comment\n{JUNGLE * 40}", headings=False)} == {""}
