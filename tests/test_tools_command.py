"""manage.py tools: what the model may use, and a call as the model makes it."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.django_db(transaction=True)


def said(*arguments: str) -> str:
    output = StringIO()
    call_command("tools", *arguments, stdout=output)
    return output.getvalue()


def test_tools_are_listed_with_those_that_are_off() -> None:
    lines = [line.partition(":")[0] for line in said().splitlines()]
    assert {"on  search_context", "on  current_time", "off fetch_page"} <= set(lines)


def test_a_tool_is_called() -> None:
    assert said("current_time", "time_zone=Asia/Tokyo").endswith(" JST\n")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["fly"], "There is no tool named fly"),
        (["current_time", "time_zone=Mars"], "There is no time zone Mars"),
        (["current_time", "time_zone=3"], "The arguments are wrong: time_zone"),
        (["current_time", "Tokyo"], "write name=value"),
        (["fly", "--schema"], "There is no tool fly"),
    ],
)
def test_a_call_that_fails_says_why(arguments: list[str], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        said(*arguments)


def test_the_schema_is_what_the_model_is_told() -> None:
    assert json.loads(said("fetch_page", "--schema"))["parameters"]["required"] == ["url"]
