"""context/extract: Word, PowerPoint and Excel."""

from context.extract import extract
from tests.hostile import DOCUMENTS, sheet, word, word_paragraph


def text_of(name: str) -> str:
    return extract((DOCUMENTS / name).read_bytes(), name).text


def paragraph_in(style: str, text: str) -> str:
    return word_paragraph(text).replace("<w:r>", f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r>')


# Word.


def test_headings_of_word_keep_their_levels() -> None:
    text = text_of("returns.docx")
    assert [line for line in text.splitlines() if line.startswith("#")][-2:] == [
        "## Repairs under warranty",
        "### How to claim",
    ]


def test_a_title_that_the_first_heading_repeats_is_said_once() -> None:
    assert text_of("returns.docx").startswith("# Returns and refunds\n\nThis page says")


def test_a_table_of_word_is_where_it_stands() -> None:
    assert "in Rotterdam.\n\n| Reason | Who pays the parcel | Refund |\n|---|---|---|\n" in text_of("returns.docx")


def test_a_list_of_word_is_a_list() -> None:
    assert "- Take two photographs of the damage.\n- Send both" in text_of("returns.docx")


def test_what_stands_in_content_controls_and_insertions_is_read() -> None:
    inserted = "<w:p><w:ins><w:r><w:t>Inserted </w:t></w:r></w:ins><w:r><w:t>words</w:t></w:r></w:p>"
    control = f"<w:sdt><w:sdtContent>{inserted}</w:sdtContent></w:sdt>"
    assert extract(word(control)).text == "Inserted words"


def test_a_heading_broken_into_lines_is_one_line() -> None:
    heading = paragraph_in("Heading2", "Care of</w:t><w:br/><w:t>hats")
    assert extract(word(heading + word_paragraph("Brush them."))).text == "## Care of hats\n\nBrush them."


def test_deleted_words_are_gone() -> None:
    deleted = "<w:p><w:r><w:t>Kept</w:t></w:r><w:del><w:r><w:delText> gone</w:delText></w:r></w:del></w:p>"
    assert extract(word(deleted)).text == "Kept"


def test_the_second_form_of_a_drawing_is_not_read() -> None:
    namespace = "http://schemas.openxmlformats.org/markup-compatibility/2006"
    forms = f"<mc:AlternateContent xmlns:mc='{namespace}'>{{}}</mc:AlternateContent>"
    first, second = (f"<mc:{form}>{word_paragraph('Box')}</mc:{form}>" for form in ("Choice", "Fallback"))
    assert extract(word(f"<w:p><w:r>{forms.format(first + second)}</w:r></w:p>")).text == "Box"


# PowerPoint and Excel.


def test_slides_have_their_titles_as_headings() -> None:
    assert "## A oficina\n\nAs crianças pintam um azulejo" in text_of("museu.pptx")


def test_notes_and_tables_of_slides_are_read() -> None:
    text = text_of("museu.pptx")
    assert "grupos escolares precisam de marcação" in text
    assert "| Autocarro 718 | Largo do Convento |" in text


def test_sheets_have_their_names_as_headings() -> None:
    text = text_of("fleet.xlsx")
    assert text.startswith("## Crew\n\n| Name | Job |")
    assert "\n\n## Fuel\n\n| Port | Litres |" in text


def test_dates_and_whole_numbers_are_written_as_people_do() -> None:
    assert "| Noor Haddad | engineer | Guillemot | 3 | 2023-11-20 |" in text_of("fleet.xlsx")


def test_a_title_above_a_table_is_not_its_header() -> None:
    cells = [["Sales of hats"], ["Hat", "Price"], ["Bowler", "30 euros"]]
    rows = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in row) + "</row>" for row in cells
    )
    assert extract(sheet(rows)).text.startswith("## Crew\n\nSales of hats\n| Hat | Price |\n|---|---|\n| Bowler |")
