"""context/chunks.py: a text is cut along headings, paragraphs and sentences."""

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


def test_a_chunk_knows_its_place() -> None:
    assert all(GUIDE[chunk.start :].startswith(chunk.text) for chunk in cut(GUIDE))


def test_a_chunk_knows_the_headings_above_it() -> None:
    headings = [chunk.heading for chunk in cut(GUIDE)]
    assert headings == ["Guide > Install"] * (len(headings) - 1) + ["Guide"]


def test_a_heading_is_no_chunk_of_its_own() -> None:
    assert cut(GUIDE)[0].text.startswith("# Guide\n\n## Install\n\nGeorge is the king")
