import asyncio
import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from operators.doctor.examination import examine
from operators.doctor.report import Level, Line


class Command(BaseCommand):
    help = "Looks at everything that the agent needs, and says what is wrong and what to do."
    # The doctor tells them all.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="a list in JSON, one line of the report an object")

    def handle(self, **options: Any) -> None:
        lines = asyncio.run(examine())
        if options["json"]:
            self.stdout.write(json.dumps([asdict(line) for line in lines], indent=2, ensure_ascii=False))
        else:
            self._write(lines)
        if any(line.level is Level.FAILURE for line in lines):
            sys.exit(1)

    def _write(self, lines: list[Line]) -> None:
        style = {Level.OK: self.style.SUCCESS, Level.WARNING: self.style.WARNING, Level.FAILURE: self.style.ERROR}
        for line in lines:
            self.stdout.write(f"{style[line.level](f'{line.level:8}')} {line.about}: {line.text}")
            if line.advice:
                self.stdout.write(f"{'':8} {line.advice}")
        counts = {level: sum(line.level is level for line in lines) for level in Level}
        self.stdout.write(
            f"Failures: {counts[Level.FAILURE]}, warnings: {counts[Level.WARNING]}, ok: {counts[Level.OK]}."
        )
