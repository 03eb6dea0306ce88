"""How often one person may call: the variables ``CHAT_RATE`` and ``CONTEXT_RATE``."""

import hashlib
from typing import Any

from django.conf import settings
from django.core.cache import caches
from rest_framework.throttling import SimpleRateThrottle

from ccagent.outage import Outage

# Not Django's own `cache`: that is another object, with connections of its own, for each request.
_counts = caches.create_connection("default")
_outage = Outage("calls are not counted")


class CallerThrottle(SimpleRateThrottle):
    """Counts per e-mail, per address for somebody without one, in windows that begin with the first call."""

    num_requests: int
    duration: int
    ends = 0.0

    def get_rate(self) -> str | None:
        return getattr(settings, f"{self.scope}_RATE") or None

    def get_cache_key(self, request: Any, view: Any) -> str:  # noqa: ARG002
        who = request.user.email or self.get_ident(request)
        # An e-mail may hold what is no cache key, and is nobody's business in Redis.
        return f"throttle:{self.scope}:{hashlib.sha256(who.encode()).hexdigest()}"

    def allow_request(self, request: Any, view: Any) -> bool:
        if self.rate is None or _outage.lasts():
            return True
        try:
            return self._count(self.get_cache_key(request, view)) <= self.num_requests
        except Exception as error:  # whatever the cache's library raises: a call that cannot be counted is let in
            _outage.begin(error)
            return True

    def _count(self, key: str) -> int:
        """The number of this call in its window; calls at the same instant get different ones."""
        self.ends = self.timer() + self.duration
        if not _counts.add(key, self.ends, self.duration):
            self.ends = _counts.get(key, self.ends)
        # Each window has a key of its own, which outlives it: one that expires just before `incr` would be made anew
        # without an end.
        window = f"{key}:{self.ends}"
        _counts.add(window, 0, 2 * self.duration)
        return int(_counts.incr(window))

    def wait(self) -> float:
        """Seconds until the window ends."""
        return max(0.0, self.ends - self.timer())


class ChatThrottle(CallerThrottle):
    scope = "CHAT"


class ContextThrottle(CallerThrottle):
    scope = "CONTEXT"
