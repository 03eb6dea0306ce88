import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from chat.management.terminal_command import INTERRUPTED, TerminalCommand, an_email
from chat.terminal import Terminal, Unanswered


class Command(TerminalCommand):
    help = "Asks one question and writes the answer out as it comes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("question", nargs="?", default="-", help="what to ask; - or nothing: standard input")
        parser.add_argument("--email", type=an_email, help="who asks; without it the question has no history")

    def handle(self, question: str, email: str | None, **options: Any) -> None:  # noqa: ARG002
        if question == "-":
            question = sys.stdin.buffer.read().decode(errors="replace")
        if not question.strip():
            raise CommandError("There is no question.")
        terminal = Terminal(email or "")
        try:
            is_whole = self.show(terminal.ask(question))
        except Unanswered as problem:
            raise CommandError(str(problem)) from problem
        finally:
            terminal.close()
        if not is_whole:
            sys.exit(INTERRUPTED)
