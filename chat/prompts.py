"""Versions of the prompt: which one is in force, how another one comes into force."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from chat.agent.prompt import DEFAULT_SYSTEM_PROMPT
from chat.models import Prompt, PromptContent, PromptDraft


@dataclass(frozen=True)
class InForce:
    """The newest version, where it leaves something empty filled in from the environment, the model excepted."""

    version: int
    system: str
    model: str
    temperature: float | None
    max_tokens: int | None
    retrieval: bool
    passages: int


_IN_FORCE = """
SELECT id, system, model, temperature, max_tokens, retrieval, passages FROM chat_prompt ORDER BY id DESC LIMIT 1"""


def in_force() -> InForce:
    """What the next answer is given under. Read with each turn, so that every process sees a new version at once."""
    with connection.cursor() as cursor:
        cursor.execute(_IN_FORCE)
        row = cursor.fetchone()
    if row is None:
        newest = newest_version()
        row = newest.pk, *newest.content.values()
    version, system, model, temperature, max_tokens, retrieval, passages = row
    env = settings.ENV
    return InForce(
        version,
        system,
        model,
        env.provider_temperature if temperature is None else temperature,
        max_tokens or env.provider_max_tokens,
        env.retrieval if retrieval is None else retrieval,
        passages or env.passages,
    )


def newest_version() -> Prompt:
    """The version in force; the first one is made from this project's own words, once."""
    if newest := Prompt.objects.first():
        return newest
    with transaction.atomic():
        _one_at_a_time()
        return Prompt.objects.first() or Prompt.objects.create(system=DEFAULT_SYSTEM_PROMPT)


def _one_at_a_time() -> None:
    """Until the transaction ends nobody else adds a version; everybody may read them and point to them."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE chat_prompt IN SHARE ROW EXCLUSIVE MODE")


def draft_of(operator: int) -> PromptDraft:
    """What the operator, given by their primary key, is writing; begun from the version in force."""
    newest = newest_version()
    begun = {**newest.content, "begun_from": newest}
    return PromptDraft.objects.get_or_create(operator_id=operator, defaults=begun)[0]


@dataclass(frozen=True)
class Seen:
    """What an operator decides upon: the version that is in force, and the draft as it was saved, if it is one."""

    version: int
    saved_at: str = ""


def seen_now(content: PromptContent) -> Seen:
    saved_at = content.saved_at.isoformat() if isinstance(content, PromptDraft) else ""
    return Seen(newest_version().pk, saved_at)


class Outdated(Exception):
    """Something changed after the operator saw what is to be published; the message is a sentence for them."""


def publish(draft: PromptDraft, seen: Seen) -> Prompt:
    """Puts a draft in force, and is done with it; raises ``Outdated``."""
    if seen.saved_at != seen_now(draft).saved_at:
        raise Outdated("Not published: you saved the draft again after you saw this difference. Look once more.")
    with transaction.atomic():
        version = _add(draft, seen, published_by=draft.operator.get_username())
        draft.delete()
    return version


def go_back(earlier: Prompt, seen: Seen, by: str) -> Prompt:
    """Puts an earlier version in force again, as a new one; raises ``Outdated``."""
    with transaction.atomic():
        return _add(earlier, seen, published_by=by, restored=earlier)


def _add(content: PromptContent, seen: Seen, **about: Any) -> Prompt:
    _one_at_a_time()
    newest = newest_version()
    if seen.version != newest.pk:
        by = f" by {newest.published_by}" if newest.published_by else ""
        raise Outdated(f"Not published: {newest} was published{by} meanwhile. See what your change does to that one.")
    return Prompt.objects.create(**content.content, **about)
