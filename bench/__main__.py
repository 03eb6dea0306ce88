"""`python -m bench [--only ROW] [--json]`."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from itertools import groupby

from .rows import ROWS, Line, measure

NOTE = f"""\
direct: the load generator calls the fake provider; through: it calls the server, which calls the fake provider.
d20: answers of 200 tokens, 20 ms apart. The first token is timed from before the connection is opened.
Provider, server, database and load generator share {os.cpu_count()} cores: part of what is added is theirs, and the
direct column shows how much they need by themselves. Compare only figures of one run."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=ROWS, metavar="ROW", help=f"one of {', '.join(ROWS)}")
    parser.add_argument("--json", action="store_true", help="print a list of figures instead of the table")
    options = parser.parse_args()
    lines, faults = measure(options.only or list(ROWS))
    print(as_json(lines) if options.json else "\n".join([*table(lines), "", NOTE]))
    if faults:
        sys.exit("\n".join([f"{len(faults)} answers were wrong:", *faults[:20]]))


def as_json(lines: list[Line]) -> str:
    return json.dumps([{**vars(line), "comparison": line.comparison} for line in lines], indent=1)


def table(lines: list[Line]) -> Iterator[str]:
    yield f"{'':<34}{'direct':>12}{'through':>12}{'compared':>12}"
    for row, group in groupby(lines, lambda line: line.row):
        yield row
        for line in group:
            yield f"  {line.measure:<32}{figure(line.direct):>12}{figure(line.through):>12}{compared(line):>12}"


def figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 or value % 1 == 0 else f"{value:,.1f}"


def compared(line: Line) -> str:
    if line.comparison is None:
        return ""
    return f"{line.comparison:+,.1f}" if line.compare == "added" else f"x {line.comparison:.3f}"


if __name__ == "__main__":
    main()
