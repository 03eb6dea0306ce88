"""What outlives the window of a prompt: the summary of a conversation, and facts about a person."""

from dataclasses import dataclass

from django.conf import settings
from django.db import connection, transaction

from ccagent.text import clean
from chat import storage
from chat.agent.tools import ToolFailed
from chat.models import MAX_FACT_CHARS, Fact

MAX_FACTS = 40
TOOLS = ("remember", "forget")


@dataclass(frozen=True)
class Memory:
    """``summary`` covers the conversation through the message with the sequence ``through``."""

    summary: str = ""
    through: int = 0
    facts: tuple[str, ...] = ()


def recall(conversation: int, email: str, before: int) -> Memory:
    """What is known before the question with the sequence ``before``; nothing of who has no e-mail. One query."""
    if not email:
        return Memory()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT summary.text, through, ARRAY(SELECT text FROM chat_fact WHERE email = %(email)s ORDER BY id)
            FROM (SELECT) AS always LEFT JOIN LATERAL (
                SELECT text, through FROM chat_summary WHERE conversation_id = %(conversation)s AND through < %(before)s
                ORDER BY through DESC LIMIT 1
            ) AS summary ON true
            """,
            {"email": email, "conversation": conversation, "before": before},
        )
        summary, through, facts = cursor.fetchone()
    return Memory(summary or "", through or 0, tuple(facts) if settings.ENV.memory else ())


def remember(email: str, fact: str, conversation: int | None = None) -> str:
    """Keeps a fact, once; returns a sentence for the model. Raises ``ToolFailed``.

    ``conversation`` is where it was learned: when that is gone, so is the person.
    """
    text = " ".join(clean(fact).split())
    if problem := _problem(email, text):
        raise ToolFailed(problem)
    with transaction.atomic():
        if conversation and not storage.holds(conversation):
            raise ToolFailed("This conversation was deleted.")
        _one_at_a_time(email)
        known = _facts(email)
        if text.lower() in known:
            return "This is remembered already."
        if len(known) >= MAX_FACTS:
            raise ToolFailed(f"There is no room: {MAX_FACTS} facts are remembered. Forget one that matters less first.")
        Fact.objects.create(email=email, text=text)
    return "Remembered."


def forget_fact(email: str, fact: str) -> str:
    """Takes one fact out; returns a sentence for the model. Raises ``ToolFailed``."""
    text = " ".join(clean(fact).split())
    if problem := _problem(email, text):
        raise ToolFailed(problem)
    with transaction.atomic():
        _one_at_a_time(email)
        pk = _facts(email).get(text.lower())
        if pk is None:
            raise ToolFailed("There is no such fact: give the very words in which it is remembered.")
        Fact.objects.filter(pk=pk).delete()
    return "Forgotten."


def forget(email: str) -> int:
    """Takes out all that is remembered of a person; returns the number of facts. Summaries go with conversations."""
    with transaction.atomic():
        _one_at_a_time(email)
        return Fact.objects.filter(email=email).delete()[0]


def _problem(email: str, text: str) -> str:
    if not settings.ENV.memory:
        return "Remembering is turned off."
    if not email:
        return "Nothing is remembered of somebody who is not known by an e-mail."
    if not text:
        return "The fact is empty."
    if len(text) > MAX_FACT_CHARS:
        return f"The fact is longer than {MAX_FACT_CHARS} characters: say it shorter."
    return ""


def _facts(email: str) -> dict[str, int]:
    """Primary keys by texts in lower case."""
    return {text.lower(): pk for pk, text in Fact.objects.filter(email=email).values_list("pk", "text")}


def _one_at_a_time(email: str) -> None:
    """Until the transaction ends nobody else changes the person's facts: a model may call twice at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 5))", [f"facts of {email}"])
