"""Reads what a tool server offers, at an operator's wish, and keeps it."""

import asyncio
import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import close_old_connections, transaction
from django.utils import timezone

from ccagent.secret_text import Unreadable
from ccagent.text import clean
from chat.agent.tool_schema import MAX_DESCRIPTION, BadSchema, definition
from chat.mcp import client
from chat.mcp.models import ServerTool, ToolServer

if TYPE_CHECKING:
    from mcp_types import Tool

_MAX_NAME = 64
_HASH = 8
SECRET_LOST = "its secret was stored under another SECRET_KEY: enter it again"


@dataclass
class Listed:
    """The names of the tools that are there now, and of those that are new, changed and gone."""

    names: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def address(server: ToolServer) -> client.ServerAddress:
    """Raises ``ServerDown`` where the secret cannot be read."""
    try:
        return client.ServerAddress(server.name, server.url, server.header(), server.allow_private)
    except Unreadable:
        raise client.ServerDown(SECRET_LOST) from None


def list_tools(server: ToolServer) -> Listed:
    """Asks the server for its tools and stores them; ticks stay. Blocks; raises ``ServerDown``, having noted why."""
    try:
        where = address(server)
        # Nobody holds a database connection while somebody else's server thinks.
        close_old_connections()
        tools = asyncio.run(client.list_tools(where))
    except client.ServerDown as down:
        ToolServer.objects.filter(pk=server.pk).update(problem=str(down))
        raise
    return _stored(server, tools)


@transaction.atomic
def _stored(server: ToolServer, tools: "list[Tool]") -> Listed:
    listed = Listed()
    server = ToolServer.objects.select_for_update().get(pk=server.pk)
    known = {tool.remote_name: tool for tool in server.tools.all()}
    for offered in tools:
        row = _row(server, offered)
        old = known.pop(row.remote_name, None)
        listed.names.append(row.name)
        if old is None:
            listed.new.append(row.name)
        else:
            if (old.description, old.definition) != (row.description, row.definition):
                listed.changed.append(row.name)
            row.pk, row.enabled = old.pk, old.enabled and not row.problem
        row.save()
    for gone in known.values():
        listed.gone.append(gone.name)
        gone.delete()
    server.listed_at, server.problem, server.down_until = timezone.now(), "", None
    server.save()
    return listed


def _row(server: ToolServer, tool: "Tool") -> ServerTool:
    remote = clean(tool.name)
    row = ServerTool(server=server, remote_name=remote[:200], name=offered_name(server.name, remote))
    row.description = clean(tool.description or "")[:MAX_DESCRIPTION]
    try:
        if len(remote) > len(row.remote_name) or remote != tool.name:
            raise BadSchema("has a name that cannot be stored")
        row.definition = definition(row.name, row.description or remote, tool.input_schema)
        # What the schema quotes is a stranger's too.
        clean(str(row.definition)).encode()
    except BadSchema as problem:
        row.problem = f"It {problem}."
    return row


def offered_name(server: str, remote: str) -> str:
    """``server__tool`` in the characters and the length that vendors take; the same for the same tool every time.

    Where the name had to be changed, a part of its hash keeps it apart from others.
    """
    name = f"{server}__{remote}"
    fit = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    if fit == name and len(name) <= _MAX_NAME:
        return name
    digest = hashlib.sha256(remote.encode()).hexdigest()[:_HASH]
    return f"{fit[: _MAX_NAME - _HASH - 1]}_{digest}"
