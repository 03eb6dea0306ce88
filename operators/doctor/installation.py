"""The settings."""

from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks

from operators.doctor.report import Level, Line, failure, ok, warning

# What lines of their own say more about.
_ELSEWHERE = {"ccagent.W001", "chat.W001", "chat.W002", "context.W001", "context.W002"}
# Django's three words for an address without https.
_UNENCRYPTED = {"security.W004", "security.W012", "security.W016"}


def look() -> list[Line]:
    found = checks.run_checks(include_deployment_checks=not settings.DEV_MODE)
    messages = [each for each in found if each.id not in _ELSEWHERE | _UNENCRYPTED and not each.is_silenced()]
    lines = [_line(message) for message in messages]
    if not settings.BEHIND_HTTPS and not settings.DEV_MODE:
        text = "APP_URL begins with http://, so keys, passwords and what people write can be read on their way."
        lines.append(
            warning("settings", text, "Put https in front, and into APP_URL, unless all of it is one machine.")
        )
    if settings.DEV_MODE and settings.ENV.app_url and not _is_local():
        text = "DEV_MODE is on, and APP_URL names a public address: every caller is believed."
        lines.append(warning("settings", text, "Unset DEV_MODE where others can reach the agent."))
    return lines or [ok("settings", "All variables can be read, and go together.")]


def _is_local() -> bool:
    return urlsplit(settings.ENV.app_url).hostname in ("localhost", "127.0.0.1", "::1")


def _line(message: checks.CheckMessage) -> Line:
    level = Level.FAILURE if message.level >= checks.ERROR else Level.WARNING
    return (failure if level is Level.FAILURE else warning)("settings", str(message.msg), str(message.hint or ""))
