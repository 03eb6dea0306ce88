"""Excel (.xlsx): sheet by sheet, its name as a heading, each value as it would be read aloud."""

from collections.abc import Iterator
from datetime import datetime, time
from io import BytesIO
from typing import Any

from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from context.extract.base import Extracted, joined, tidied
from context.extract.tables import table


def read(content: bytes) -> Extracted:
    return Extracted(tidied(joined(_sheets(CalamineWorkbook.from_filelike(BytesIO(content))))))


def _sheets(workbook: CalamineWorkbook) -> Iterator[str]:
    for sheet in workbook.sheets_metadata:
        if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible:
            rows = workbook.get_sheet_by_name(sheet.name).iter_rows()
            if text := table([_shown(value) for value in row] for row in rows):
                yield f"## {' '.join(sheet.name.split())}"
                yield text


def _shown(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time():
        return str(value.date())
    return str(value)
