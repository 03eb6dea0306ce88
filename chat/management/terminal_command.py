import re
from argparse import ArgumentTypeError

from ccagent.api.authentication import normalised
from ccagent.api.errors import ApiError
from ccagent.management.database_command import DatabaseCommand
from chat.terminal import Asked

INTERRUPTED = 130
"""The exit code of what was ended by Ctrl-C."""
# A model's words must not command the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class TerminalCommand(DatabaseCommand):
    """A command that shows answers as they come."""

    def show(self, answer: Asked) -> bool:
        """Writes the answer out; false where Ctrl-C stopped it. Raises `Unanswered`."""
        is_whole, last = True, "\n"
        try:
            while True:
                try:
                    for text in answer:
                        last = text or last
                        self.stdout.write(_CONTROL.sub("", text) if self.stdout.isatty() else text, ending="")
                        self.stdout.flush()
                except KeyboardInterrupt:
                    is_whole = False
                    answer.stop()
                else:
                    return is_whole
        finally:
            if not last.endswith("\n"):
                self.stdout.write("")


def an_email(given: str) -> str:
    try:
        if email := normalised(given.encode()):
            return email
    except ApiError:
        pass
    raise ArgumentTypeError(f"{given} is no e-mail address")
