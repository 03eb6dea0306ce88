"""Misconfiguration of the installation, as Django system checks."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register


@register()
def check_key(**_: Any) -> list[CheckMessage]:
    if settings.DEV_MODE or settings.INTERNAL_API_KEY or settings.ALLOW_ANONYMOUS:
        return []
    return [
        Error(
            "INTERNAL_API_KEY is not set, so nobody could prove who they are.",
            hint="Set it to a long random value, or set ALLOW_ANONYMOUS=true, or DEV_MODE=true on your own machine.",
            id="ccagent.E001",
        )
    ]


@register()
def check_disk_lasts(**_: Any) -> list[CheckMessage]:
    if settings.DEV_MODE or settings.ENV.persistent_storage_dir or settings.ENV.database_url.get_secret_value():
        return []
    return [
        Warning(
            "The database is on the capsule's own disk, which starts afresh at every restart.",
            hint="Set DATABASE_URL, or bind a storage capsule so that PERSISTENT_STORAGE_DIR is set.",
            id="ccagent.W001",
        )
    ]
