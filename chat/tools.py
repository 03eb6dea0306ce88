"""The tools that come with the agent."""

import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ccagent.database import in_database
from chat import memory
from chat.agent.prompt import Passage
from chat.agent.tools import tool
from chat.preparation import noted, passages_given, person_asking
from context.embeddings import aembed_question
from context.passages import passages


@tool
async def search_context(query: str) -> str:
    """Searches the documents this agent was given; use it when the reference passages at hand are not enough."""
    vector = await aembed_question(query)
    found = await in_database(passages, query, "", vector)
    passages_given.get([]).extend(map(noted, found))
    quoted = (Passage(passage.title, passage.source, passage.text, passage.heading) for passage in found)
    return "\n\n".join(map(str, quoted)) or "Nothing was found."


@tool
def current_time(time_zone: str = "UTC") -> str:
    """The current date and time in a time zone, such as Africa/Johannesburg."""
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"There is no time zone {time_zone}; names look like Europe/Berlin."
    return datetime.datetime.now(zone).strftime("%A, %Y-%m-%d %H:%M %Z")


@tool
async def remember(fact: str) -> str:
    """Keeps one short fact about the person for all later conversations, like "Has a dog named Rex".

    Use it when they tell something lasting about themselves, or ask you to remember something; never for passwords and
    the like. What is remembered already is among the notes you were given.
    """
    return await in_database(memory.remember, person_asking.get(), fact)


@tool
async def forget(fact: str) -> str:
    """Takes one fact out of the notes about the person: one that is no longer true, or that they want forgotten.

    Give the very words of the note.
    """
    return await in_database(memory.forget_fact, person_asking.get(), fact)
