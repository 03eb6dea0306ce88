"""How often one person may call: the variables ``CHAT_RATE`` and ``CONTEXT_RATE``."""

from typing import Any

from django.conf import settings
from rest_framework.throttling import SimpleRateThrottle


class CallerThrottle(SimpleRateThrottle):
    """Counts per e-mail, per address for somebody without one."""

    def get_rate(self) -> str | None:
        return getattr(settings, f"{self.scope}_RATE") or None

    def get_cache_key(self, request: Any, view: Any) -> str:  # noqa: ARG002
        who = request.user.email or self.get_ident(request)
        return f"throttle:{self.scope}:{who}"


class ChatThrottle(CallerThrottle):
    scope = "CHAT"


class ContextThrottle(CallerThrottle):
    scope = "CONTEXT"
