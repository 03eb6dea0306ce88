"""The ticked tools of tool servers, as a turn gets them."""

import datetime
import json
from functools import partial
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from ccagent.database import in_database
from chat.agent.tools import Tool, ToolContext, ToolFailed
from chat.mcp import client
from chat.mcp.listing import address
from chat.mcp.models import ToolServer
from chat.mcp.results import text_of

DOWN = datetime.timedelta(seconds=60)
"""How long the tools of a server that is down are not offered."""

# By server, with the time of its last change: the tools are read anew only where that is another one.
_known: dict[int, tuple[datetime.datetime, list[Tool]]] = {}


def offered() -> list[Tool]:
    """In one light query, unless something has changed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id, changed_at FROM chat_toolserver
            WHERE enabled AND (down_until IS NULL OR down_until <= now()) ORDER BY name
            """
        )
        up = cursor.fetchall()
    return [tool for pk, changed_at in up for tool in _tools(pk, changed_at)]


def _tools(pk: int, changed_at: datetime.datetime) -> list[Tool]:
    known = _known.get(pk)
    if known is None or known[0] != changed_at:
        server = ToolServer.objects.prefetch_related("tools").filter(pk=pk).first()
        if server is None:
            return []
        known = _known[pk] = server.changed_at, _read(server)
    return known[1]


def _read(server: ToolServer) -> list[Tool]:
    try:
        where = address(server)
    except client.ServerDown as down:
        ToolServer.objects.filter(pk=server.pk).update(problem=str(down))
        return []
    return [
        Tool(tool.name, tool.definition, partial(_call, server.pk, where, tool.remote_name))
        for tool in server.tools.all()
        if tool.enabled and tool.definition
    ]


async def _call(pk: int, where: client.ServerAddress, remote_name: str, arguments: str, user: ToolContext) -> str:  # noqa: ARG001
    given = _object(arguments)
    try:
        result = await client.call_tool(where, remote_name, given)
    except client.CallRefused as refusal:
        raise ToolFailed(f"The tool server {where.name} refuses the call: {refusal}") from None
    except client.ServerDown as down:
        await in_database(_note_down, pk, str(down))
        raise ToolFailed(f"The tool server {where.name} cannot be used at the moment.", str(down)) from None
    text = text_of(result)
    if result.is_error:
        raise ToolFailed(text or "The tool failed and does not say why.")
    return text or "Done."


def _object(arguments: str) -> dict[str, Any]:
    try:
        given = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise ToolFailed("The arguments are wrong: they must be a JSON object.")
    return given


def _note_down(pk: int, problem: str) -> None:
    ToolServer.objects.filter(pk=pk).update(problem=problem, down_until=Now() + DOWN)
