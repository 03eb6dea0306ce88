"""What may be away without anybody noticing much."""

import logging
import time

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 3.0


class Outage:
    """Remembers for some seconds that a try failed, so that not everybody waits in vain for the same thing.

    ``consequence`` tells the operator, as half a sentence, what is not done meanwhile.
    """

    def __init__(self, consequence: str, *, of: str = "Redis") -> None:
        self._consequence = consequence
        self._of = of
        self._until = 0.0

    def lasts(self) -> bool:
        return time.monotonic() < self._until

    def begin(self, error: Exception, seconds: float = PAUSE_SECONDS) -> None:
        if not self.lasts():
            # Without the error's words, which may hold an address.
            name = type(error).__name__
            logger.warning("%s cannot be used at the moment, %s: %s", self._of, self._consequence, name)
        self._until = time.monotonic() + seconds

    def end(self) -> None:
        self._until = 0.0
