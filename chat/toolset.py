"""Which tools a turn has: the installed apps', by the variable ``TOOLS``, and those of tool servers."""

from django.conf import settings
from django.utils import timezone

from chat import memory
from chat.agent import tools
from chat.agent.toolbox import Limits, Toolbox
from chat.agent.tools import Tool, ToolContext
from chat.mcp.offered import offered

MAX_TOOLS = 128
"""Most tools that OpenAI takes with one request."""
_SEARCH_TOOL = "search_context"


def toolbox(email: str, conversation: int, passages: list[dict[str, object]], *, searches: bool = True) -> Toolbox:
    """What the model may call in a turn, and for whom; reads the database.

    ``searches`` says whether the operator lets answers be looked up in the documents.
    """
    env = settings.ENV
    user = ToolContext(email, conversation, timezone.get_default_timezone_name(), passages)
    limits = Limits(env.max_tool_steps, env.tool_seconds, env.tool_result_chars)
    hidden = {*(() if searches else (_SEARCH_TOOL,)), *(() if env.memory and email else memory.TOOLS)}
    own = [tool for tool in switched_on(env.tools) if tool.name not in hidden]
    # What has a server's name for its own does not take a tool's place.
    found = {tool.name: tool for tool in (*offered(), *own)}
    return Toolbox(tuple(found.values())[-MAX_TOOLS:], user, limits)


def switched_on(names: str) -> list[Tool]:
    """The registered tools that a value of ``TOOLS`` names, in the order in which they were registered."""
    wanted = set(names.split(","))
    return [tool for tool in tools.registry.values() if tool.name in wanted or (tool.is_on and "*" in wanted)]


def unknown(names: str) -> list[str]:
    """The names in ``TOOLS`` that no tool has."""
    return [name for name in names.split(",") if name not in ("*", "none") and name not in tools.registry]
