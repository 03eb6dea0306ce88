"""Days that are over are counted while nobody waits for it."""

import datetime
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone

from operators.numbers import days

logger = logging.getLogger(__name__)

MOST_DAYS = 90
_FIRST_SECONDS = 30.0
"""Not at once: whoever starts the agent wants it to answer first."""
_AGAIN_SECONDS = 3600.0


@contextmanager
def in_background() -> Iterator[None]:
    """Counts once an hour in a thread of its own meanwhile."""
    stopped = threading.Event()
    thread = threading.Thread(target=_run, args=[stopped], name="numbers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(5)


def _run(stopped: threading.Event) -> None:
    pause = _FIRST_SECONDS
    while not stopped.wait(pause):
        pause = _AGAIN_SECONDS
        try:
            since = timezone.localdate() - datetime.timedelta(days=MOST_DAYS)
            while days.keep(since, seconds=1) and not stopped.wait(1):
                pass
        except (OperationalError, InterfaceError) as error:
            logger.warning("The numbers of the last days could not be counted: %s", type(error).__name__)
        finally:
            close_old_connections()
