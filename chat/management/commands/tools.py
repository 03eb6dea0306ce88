import asyncio
import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from ccagent.management.database_command import DatabaseCommand
from chat import toolset
from chat.agent import tools
from chat.agent.events import ToolCallRequest
from chat.agent.toolbox import Toolbox


class Command(DatabaseCommand):
    help = "Lists the tools that the model may use, or calls one of them as the model would."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", help="a tool to call")
        parser.add_argument("arguments", nargs="*", help="its arguments, such as location=Paris days=2")
        parser.add_argument("--email", default="", help="who asks, as far as the tool knows")
        parser.add_argument("--schema", action="store_true", help="show what the model is told of it")

    def handle(self, name: str | None, arguments: list[str], email: str, **options: Any) -> None:
        toolbox = toolset.toolbox(email, 0, [])
        if name is None:
            self._list(toolbox)
        elif options["schema"]:
            self._show(toolbox, name)
        else:
            self._call(toolbox, ToolCallRequest("", name, json.dumps(dict(map(_argument, arguments)))))

    def _list(self, toolbox: Toolbox) -> None:
        on = {tool.name: tool for tool in toolbox.tools}
        for tool in {**tools.registry, **on}.values():
            about = tool.schema["function"]["description"].partition("\n")[0]
            self.stdout.write(f"{'on ' if tool.name in on else 'off'} {tool.name}: {about}")

    def _show(self, toolbox: Toolbox, name: str) -> None:
        found = {tool.name: tool for tool in (*tools.registry.values(), *toolbox.tools)}.get(name)
        if found is None:
            raise CommandError(f"There is no tool {name}.")
        self.stdout.write(json.dumps(found.schema["function"], indent=2, ensure_ascii=False))

    def _call(self, toolbox: Toolbox, request: ToolCallRequest) -> None:
        made = asyncio.run(toolbox.call(request))
        if made.failed:
            raise CommandError("\n".join(filter(None, (made.content, made.error))))
        self.stdout.write(made.content)


def _argument(given: str) -> tuple[str, Any]:
    """Name and value, which is JSON where it can be and else a text."""
    name, equals, value = given.partition("=")
    if not equals:
        raise CommandError(f"{given} is no argument: write name=value.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
