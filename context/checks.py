"""Misconfiguration of search, as Django system checks."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import transaction

from context.embeddings import vectors
from context.embeddings.configuration import chosen
from context.embeddings.errors import NotConfigured


@register()
def check_embeddings(**_: Any) -> list[CheckMessage]:
    try:
        chosen(settings.ENV)
    except NotConfigured as problem:
        return [Warning(problem.sentence, hint="Until then search goes by words alone.", id="context.W002")]
    return []


@register(Tags.database)
def check_pgvector(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Only where a command checks the database: others must not start it."""
    if not databases or check_embeddings() or not chosen(settings.ENV):
        return []
    try:
        with transaction.atomic():
            vectors.ensure_extension()
            # A check changes nothing.
            transaction.set_rollback(True)
    except NotConfigured as problem:
        return [Warning(problem.sentence, hint=vectors.HINT, id="context.W001")]
    return []
