"""What may be away without anybody noticing much."""

import logging
import time

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 3.0


class Outage:
    """Remembers for some seconds that a try failed, so that not everybody waits in vain for the same thing.

    ``consequence`` tells the operator, as half a sentence, what is not done meanwhile.
    """

    def __init__(self, consequence: str) -> None:
        self._consequence = consequence
        self._until = 0.0

    def lasts(self) -> bool:
        return time.monotonic() < self._until

    def begin(self, error: Exception) -> None:
        if not self.lasts():
            # Without the error's words, which may hold an address.
            logger.warning("Redis cannot be used at the moment, %s: %s", self._consequence, type(error).__name__)
        self._until = time.monotonic() + PAUSE_SECONDS
