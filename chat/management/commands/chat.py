import secrets
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.conf import settings

from chat import forgetting, history
from chat.management.terminal_command import TerminalCommand, an_email
from chat.models import Message
from chat.terminal import Terminal, Unanswered


class Command(TerminalCommand):
    help = "A conversation in the terminal. Ctrl-C stops an answer, Ctrl-D leaves."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", type=an_email, help="whose conversation; without it none is kept")

    def handle(self, email: str | None, **options: Any) -> None:  # noqa: ARG002
        with suppress(ImportError):
            # Lets lines be edited, and the earlier ones come back.
            import readline  # noqa: F401
        # A name for as long as the conversation lasts, so that the model knows what was said before.
        person = email or f"terminal-{secrets.token_hex(8)}@localhost"
        terminal = Terminal(person)
        self.stdout.write(f"{settings.APP_NAME}. Ctrl-C stops an answer, Ctrl-D leaves.")
        try:
            for question in self._questions():
                self._answer(terminal, question)
        finally:
            terminal.close()
            if not email:
                forgetting.forget(person)

    def _questions(self) -> Iterator[str]:
        while True:
            try:
                line = input("\n> " if sys.stdin.isatty() else "")
            except KeyboardInterrupt:
                continue
            except EOFError:
                self.stdout.write("")
                return
            if line.strip():
                yield line

    def _answer(self, terminal: Terminal, question: str) -> None:
        asked = terminal.ask(question)
        try:
            if not self.show(asked):
                self.stdout.write("[stopped]")
            self._name_sources(asked.message)
        except Unanswered as problem:
            self.stderr.write(str(problem))

    def _name_sources(self, message: Message | None) -> None:
        found = history.sources(message) if message else []
        names = [source["title"] or source["source"] for source in found]
        if names:
            self.stdout.write(f"Sources: {', '.join(names)}")
