"""The tools that come with the agent."""

import datetime
import difflib
import re
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from ccagent.database import in_database
from chat import memory
from chat.agent.prompt import Passage
from chat.agent.threads import in_thread
from chat.agent.tools import ToolContext, ToolFailed, optional_tool, tool
from chat.preparation import noted
from chat.prompts import in_force
from context.embeddings import QuestionVector, aembed_question
from context.passages import FoundPassage, passages

_OFFSET = re.compile(r"(?:UTC|GMT)?\s*(?P<sign>[+-])(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?", re.IGNORECASE)


@tool
async def search_context(query: str, user: ToolContext) -> str:
    """Searches the documents this agent was given; use it when the reference passages at hand are not enough.

    query: what to look for, in words that such a document would use
    """
    vector = await aembed_question(query)
    found = await in_database(_passages, query, vector)
    user.passages.extend(map(noted, found))
    quoted = (Passage(passage.title, passage.source, passage.text, passage.heading) for passage in found)
    return "\n\n".join(map(str, quoted)) or "Nothing was found."


def _passages(query: str, vector: QuestionVector | None) -> list[FoundPassage]:
    """As many as a question brings along by itself."""
    return passages(query, "", vector, in_force().passages)


@tool
def current_time(user: ToolContext, time_zone: str = "") -> str:
    """The current date and time.

    time_zone: a time zone such as Africa/Johannesburg, a city such as Tokyo, or an offset such as +02:00; without it,
        the agent's own
    """
    return f"{datetime.datetime.now(_zone(time_zone or user.time_zone)):%A, %Y-%m-%d %H:%M %Z}"


def _zone(name: str) -> datetime.tzinfo:
    name = name.strip()[:100]
    offset = _OFFSET.fullmatch(name)
    if offset:
        difference = datetime.timedelta(hours=int(offset["hours"]), minutes=int(offset["minutes"] or 0))
        if difference < datetime.timedelta(days=1):
            return datetime.timezone(difference if offset["sign"] == "+" else -difference)
    zones = _zones()
    found = zones.get(_bare(name))
    if found:
        return ZoneInfo(found)
    alike = [zones[key] for key in difflib.get_close_matches(_bare(name), zones, 3)]
    hint = f"perhaps {' or '.join(dict.fromkeys(alike))}" if alike else "names look like Europe/Berlin"
    raise ToolFailed(f"There is no time zone {name}; {hint}.")


@cache
def _zones() -> dict[str, str]:
    """Zones by their names and, where only one has it, by their last part, which is a city's."""
    names = sorted(available_timezones())
    cities: dict[str, list[str]] = {}
    for name in names:
        area, _, city = name.rpartition("/")
        if area and not name.startswith(("Etc/", "US/", "Canada/", "Brazil/", "Mexico/", "Chile/", "posix", "right")):
            cities.setdefault(_bare(city), []).append(name)
    unique = {city: found[0] for city, found in cities.items() if len(found) == 1}
    return {**unique, **{_bare(name): name for name in names}}


def _bare(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


@optional_tool
async def fetch_page(url: str) -> str:
    """Fetches a public web page or document and gives its text.

    url: its whole address, such as https://example.com/page
    """
    # Heavy, and off unless somebody wants it.
    from context.fetch import FetchRefused, fetch
    from context.prepare import Unreadable, prepare

    try:
        page = await fetch(url)
        if page is None:
            raise ToolFailed("The page has not changed.")
        found = await in_thread(prepare, page.content, name=page.url, content_type=page.content_type)
    except (FetchRefused, Unreadable) as refusal:
        raise ToolFailed(str(refusal)) from None
    return str(Passage(found.title or page.url, page.url, found.text))


@tool
async def remember(fact: str, user: ToolContext) -> str:
    """Keeps one short fact about the person for all later conversations, like "Has a dog named Rex".

    Use it when they tell something lasting about themselves, or ask you to remember something; never for passwords and
    the like. What is remembered already is among the notes you were given.
    """
    return await in_database(memory.remember, user.email, fact, user.conversation)


@tool
async def forget(fact: str, user: ToolContext) -> str:
    """Takes one fact out of the notes about the person: one that is no longer true, or that they want forgotten.

    fact: the very words of the note
    """
    return await in_database(memory.forget_fact, user.email, fact)
