import os
import sys
from typing import Any, NoReturn

from django.core.management.base import BaseCommand

from ccagent import bootstrap


class DatabaseCommand(BaseCommand):
    """A command that works whether or not `serve` runs or ever did: it starts or joins the database, and migrates."""

    # Those of the installation, such as a missing INTERNAL_API_KEY, are no concern of somebody who has the database.
    requires_system_checks = []

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            with bootstrap.in_a_sentence():
                bootstrap.migrate()
                return super().execute(*args, **options)
        except BrokenPipeError:
            _end_quietly()


def _end_quietly() -> NoReturn:
    """As when the output goes to `head`, which has seen enough."""
    # Python would complain on its way out, when it writes what is left.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(141)
