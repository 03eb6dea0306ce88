"""PowerPoint (.pptx): slide by slide, its title as a heading, with tables and the speaker's notes."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any

import pptx
from pptx.shapes.group import GroupShape
from pptx.slide import Slide

from context.extract.base import Extracted, joined, tidied
from context.extract.tables import table


def read(content: bytes) -> Extracted:
    presentation = pptx.Presentation(BytesIO(content))
    title = presentation.core_properties.title
    slides = (joined(_slide(slide, number)) for number, slide in enumerate(presentation.slides, 1))
    text = joined([f"# {' '.join(title.split())}"] * bool(title) + list(slides))
    return Extracted(tidied(text), title)


def _slide(slide: Slide, number: int) -> Iterator[str]:
    heading = slide.shapes.title
    words = " ".join(heading.text_frame.text.split()) if heading is not None else ""
    yield f"## {words or f'Slide {number}'}"
    yield from _shapes(shape for shape in slide.shapes if heading is None or shape.shape_id != heading.shape_id)
    if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None:
        yield notes.text


def _shapes(shapes: Iterable[Any]) -> Iterator[str]:
    for shape in shapes:
        if isinstance(shape, GroupShape):
            yield from _shapes(shape.shapes)
        elif shape.has_text_frame:
            lines = [" ".join(paragraph.text.split()) for paragraph in shape.text_frame.paragraphs]
            filled = [line for line in lines if line]
            yield "\n".join(f"- {line}" for line in filled) if len(filled) > 1 else "".join(filled)
        elif shape.has_table:
            yield table((cell.text for cell in row.cells) for row in shape.table.rows)
