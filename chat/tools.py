"""The tools that come with the agent."""

import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ccagent.database import in_database
from chat.agent.prompt import Passage
from chat.agent.tools import tool
from chat.preparation import noted, passages_given
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
