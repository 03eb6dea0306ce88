"""HISTORY_TOKENS: what a model gets of a conversation always fits, newest turns first, and none is torn apart."""

import base64
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from genai_prices import data
from pytest_django import DjangoAssertNumQueries

from ccagent.environment import Environment
from ccagent.text import cut_to, estimated_tokens
from chat import preparation, storage
from chat.agent.prompt import words
from chat.agent.windows import history_tokens
from chat.content import Block, File, Image, Text
from chat.models import Conversation, Message
from chat.window import IMAGE_TOKENS, question_blocks, window
from tests.conftest import Serve, Server
from tests.fake_provider import FakeProvider, echo, status, text

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
BUDGET = 400
LONG = "word " * 4000


# The guess, and cutting by it.


@pytest.mark.parametrize("letter", ["a", "é", "日", "😀"])
def test_a_token_is_four_bytes_whatever_the_script(letter: str) -> None:
    assert estimated_tokens(letter * 400) == 400 * len(letter.encode()) // 4 + 1


@pytest.mark.parametrize("letter", ["a", "é", "日", "😀", "\ud800"])
@pytest.mark.parametrize("tokens", [0, 1, 12, 50, 99])
def test_a_cut_text_fits_and_says_so(letter: str, tokens: int) -> None:
    cut = cut_to(tokens, letter * 500)
    assert "[cut here" in cut
    assert estimated_tokens(cut) <= max(tokens, 12)


def test_a_cut_text_keeps_its_beginning_and_its_end() -> None:
    cut = cut_to(50, "First words. " + "x" * 10_000 + " Last words.")
    assert cut.startswith("First words. ")
    assert cut.endswith(" Last words.")


def test_a_text_that_fits_is_whole() -> None:
    assert cut_to(26, "x" * 100) == "x" * 100


# The question itself.


def size(blocks: Sequence[Block]) -> int:
    return sum(IMAGE_TOKENS if isinstance(block, Image) else estimated_tokens(words((block,))) for block in blocks)


@pytest.mark.parametrize(
    "blocks",
    [
        [Text(LONG * 500)],
        [File("a.txt", LONG * 500)],
        [File("name " * 2_000_000, "short")],
        [Text("Sum this up"), *(File(f"{number}.txt", LONG) for number in range(1000))],
        [Text("word")] * 1000,
        [Text(LONG)] * 1000,
        [Text("日本" * 100_000), File("é" * 1000, "😀" * 100_000)],
    ],
    ids=["text", "file", "name", "files", "words", "texts", "scripts"],
)
def test_a_question_of_any_size_fits(blocks: list[Block]) -> None:
    fitting = question_blocks(blocks, BUDGET)
    assert 0 < size(fitting) <= BUDGET


def test_a_small_question_stays_as_it_is() -> None:
    blocks: list[Block] = [Text("Look:"), Image("a.png", PNG), File("a.txt", "b")]
    assert question_blocks(blocks, 8000) == tuple(blocks)


def test_a_file_leaves_half_of_the_room() -> None:
    asked, file = question_blocks([Text("Sum this up"), File("a.txt", LONG)], BUDGET)
    assert asked == Text("Sum this up")
    assert isinstance(file, File)
    assert "[cut here" in file.text
    assert size([file]) <= BUDGET // 2


def test_parts_that_are_left_out_are_counted() -> None:
    fitting = question_blocks([File(f"{number}.txt", LONG) for number in range(100)], BUDGET)
    assert fitting[-1] == Text(f"[left out: {101 - len(fitting)} further parts of this message, which is too long]")


def test_the_last_image_is_sent_however_small_the_room() -> None:
    sent = question_blocks([Text("Which?"), Image("a.png", PNG), Image("b.png", PNG)], BUDGET)
    assert sent == (Text("Which?"), Text("[Image a.png]"), Image("b.png", PNG))


def test_as_many_images_are_sent_as_leave_half_of_the_room() -> None:
    sent = question_blocks([Image(f"{number}.png", PNG) for number in range(10)], 8000)
    assert [isinstance(block, Image) for block in sent] == [False] * 6 + [True] * 4


# The turns before it.


def talk(*turns: tuple[Sequence[Block], str]) -> Conversation:
    """A conversation of somebody's, an answer without text being one that failed."""
    conversation = Conversation.objects.create(email="ann@example.com", last_sequence=2 * len(turns))
    for number, (blocks, answer) in enumerate(turns):
        about = {"conversation": conversation, "date": timezone.now()}
        words_alone = "\n".join(block.text for block in blocks if isinstance(block, Text))
        stored = [storage._without_data(block) for block in blocks]
        Message.objects.create(sequence=2 * number + 1, role="user", text=words_alone, blocks=stored, **about)
        state = "complete" if answer else "failed"
        Message.objects.create(sequence=2 * number + 2, role="assistant", text=answer, status=state, **about)
    return conversation


def given(conversation: Conversation, tokens: int = BUDGET) -> list[tuple[str, str]]:
    """Roles and words of what a model gets with the next question."""
    question = Message(conversation=conversation, sequence=conversation.last_sequence + 1)
    return [(message.role, words(message.blocks)) for message in window(question, [Text("And now?")], tokens).messages]


def simple(count: int, length: int = 40) -> Conversation:
    return talk(
        *(([Text(f"q{number}".ljust(length, "."))], f"a{number}".ljust(length, ".")) for number in range(count))
    )


@pytest.mark.django_db
def test_the_newest_turns_that_fit_are_given_whole() -> None:
    roles, said = zip(*given(simple(100)), strict=True)
    numbers = [word.split(".")[0] for word in said[:-1]]
    assert numbers == [f"{side}{number}" for number in range(100 - len(said) // 2, 100) for side in "qa"]
    assert roles[::2] == ("user",) * (len(said) // 2 + 1)


@pytest.mark.django_db
@pytest.mark.parametrize("tokens", [*range(1, 60), 200, 1000, 8000])
def test_whatever_the_budget_it_is_kept_and_no_answer_lacks_its_question(tokens: int) -> None:
    said = given(simple(20), tokens)
    assert sum(estimated_tokens(text) for _, text in said[:-1]) <= max(0, tokens - 3)
    assert [role for role, _ in said] == ["user", "assistant"] * (len(said) // 2) + ["user"]


@pytest.mark.django_db
def test_a_huge_message_does_not_push_out_what_was_said_before_it() -> None:
    said = given(talk(([Text("My name is Ann.")], "Hello Ann."), ([Text(LONG * 100)], "That was long.")))
    assert said[:2] == [("user", "My name is Ann."), ("assistant", "Hello Ann.")]
    assert "[cut here" in said[2][1]
    assert estimated_tokens(said[2][1]) <= BUDGET // 4


@pytest.mark.django_db
def test_a_huge_answer_is_cut_too() -> None:
    said = given(talk(([Text("Tell me everything.")], "At first " + LONG + "at last.")))
    assert said[1][1].startswith("At first word")
    assert said[1][1].endswith("word at last.")
    assert estimated_tokens(said[1][1]) <= BUDGET // 4


@pytest.mark.django_db
@pytest.mark.parametrize("many", [1, 1000])
def test_an_earlier_file_is_cut_under_its_name(many: int) -> None:
    files: list[Block] = [File("a.txt", LONG)] * many
    said = given(talk(([Text("Sum this up"), *files], "Done.")))
    assert said[0][1].startswith("Sum this up\n\nFile a.txt:\nword word")
    assert "[cut here" in said[0][1]
    assert estimated_tokens(said[0][1]) <= BUDGET // 4 + 3


@pytest.mark.django_db
def test_images_of_earlier_turns_are_named() -> None:
    said = given(talk(([Text("Look"), Image("a.png", PNG)], "A snail."), ([Image("b.png", PNG)], "A hat.")))
    assert said[0] == ("user", "Look\n\n[Image a.png]")
    assert said[2] == ("user", "[Image b.png]")


@pytest.mark.django_db
def test_a_question_that_got_no_answer_is_still_a_turn() -> None:
    said = given(talk(([Text("one")], ""), ([Text("two")], "")))
    assert [text for _, text in said] == ["one", "two", "And now?"]


@pytest.mark.django_db
def test_a_question_that_takes_all_the_room_leaves_the_turns_out() -> None:
    question = Message(conversation=simple(10), sequence=21)
    fitting = window(question, [Text(LONG)], BUDGET)
    assert (len(fitting.messages), fitting.first) == (1, 21)


@pytest.mark.django_db
def test_ten_megabytes_in_each_of_the_newest_turns_are_not_read(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    blocks: list[Block] = [Text("See"), File("a.txt", "x" * 10_000_000)]
    conversation = talk(*[(blocks, "Seen.")] * 3)
    with django_assert_num_queries(1):
        said = given(conversation)
    assert [text for role, text in said if role == "assistant"] == ["Seen."] * 3


# Ten thousand turns.

DEEP = """
INSERT INTO chat_message (conversation_id, sequence, role, text, blocks, date)
SELECT %s, number, CASE number %% 2 WHEN 1 THEN 'user' ELSE 'assistant' END, said,
    CASE number %% 2 WHEN 1 THEN jsonb_build_array(jsonb_build_object('type', 'text', 'text', said)) END, now()
FROM generate_series(1, %s) number, LATERAL (SELECT number || repeat(' word', 20) AS said) words
"""


def queries(turns: int) -> int:
    conversation = Conversation.objects.create(email=f"{turns}@example.com", last_sequence=2 * turns)
    with connection.cursor() as cursor:
        cursor.execute(DEEP, [conversation.pk, 2 * turns])
    question = Message(conversation=conversation, sequence=2 * turns + 1)
    preparation.prepare(question, [Text("And now?")])
    with CaptureQueriesContext(connection) as captured:
        prepared = preparation.prepare(question, [Text("And now?")])
    assert words(prepared.request.messages[-2].blocks).startswith(f"{2 * turns} word")
    return len(captured)


@pytest.mark.django_db
def test_a_prompt_takes_as_many_queries_however_deep() -> None:
    assert queries(10) == queries(10_000) <= 8


# The default.


@pytest.mark.parametrize(
    ("variables", "tokens"),
    [
        ({}, 8_000),
        ({"provider_api_key": "k"}, 32_000),
        ({"provider_name": "openai", "provider_model": "gpt-4-0613"}, 2_048),
        ({"provider_name": "openai", "provider_model": "gpt-4o-mini"}, 32_000),
        ({"provider_name": "cerebras", "provider_model": "llama3.1-8b"}, 2_048),
        ({"provider_name": "openai", "provider_model": "made-tomorrow"}, 8_000),
        ({"provider_name": "ollama", "provider_model": "gpt-4o"}, 8_000),
        ({"provider_name": "openai", "provider_model": "gpt-4o", "fallback_models": "gpt-4-0613"}, 2_048),
        ({"provider_name": "openai", "provider_model": "gpt-4o", "fallback_models": "ollama:llama"}, 8_000),
        ({"provider_name": "openai", "provider_model": "gpt-4-0613", "history_tokens": 500}, 500),
    ],
)
def test_the_default_fits_every_model_that_may_be_asked(variables: dict[str, Any], tokens: int) -> None:
    assert history_tokens(Environment(**variables)) == tokens


def test_another_model_than_the_environments_has_its_own_window() -> None:
    environment = Environment(provider_name="openai", provider_model="gpt-4o")
    assert history_tokens(environment, "gpt-4-0613") == 2_048


_NO_CHAT = (
    "audio",
    "claude",
    "computer",
    "embed",
    "guard",
    "ocr",
    "orpheus",
    "realtime",
    "tts",
    "transcribe",
    "voxtral",
)
_PROVIDERS = {"google": "google-genai", "mistral": "mistralai", "x-ai": "xai"} | {
    name: name for name in ("openai", "anthropic", "groq", "cohere", "cerebras")
}


@pytest.mark.parametrize("provider", _PROVIDERS)
def test_the_default_is_at_most_half_of_every_window_known(provider: str) -> None:
    known = next(each for each in data.providers if each.id == provider)
    windows = {
        model.id: model.context_window
        for model in known.models
        if model.context_window and (provider == "anthropic" or not any(word in model.id for word in _NO_CHAT))
    }
    assert windows
    given = {
        name: history_tokens(Environment(provider_name=_PROVIDERS[provider], provider_model=name)) for name in windows
    }
    assert {name: windows[name] for name in windows if given[name] > windows[name] / 2} == {}


# Through a real server.


@pytest.fixture
def narrow(serve: Serve, provider: FakeProvider) -> Server:
    """A server with a small budget."""
    return serve(
        PROVIDER_NAME="fake", PROVIDER_MODEL="fake", PROVIDER_BASE_URL=provider.base_url, HISTORY_TOKENS=str(BUDGET)
    )


def test_a_long_talk_through_a_server_always_fits(narrow: Server, provider: FakeProvider, email: str) -> None:
    provider.default = echo
    with narrow.client(email) as person:
        for number in range(12):
            question = f"{number} " + "word " * (number % 3) * 300
            assert person.post("/api/chat/message", json={"message": question}).status_code == 200
    for request in provider.requests:
        roles = [message["role"] for message in request.messages]
        assert roles == ["system", *["user", "assistant"] * (len(roles) // 2 - 1), "user"]
        assert sum(estimated_tokens(message["content"]) for message in request.messages[1:]) <= BUDGET


def test_ten_megabytes_are_answered_and_kept_whole(narrow: Server, provider: FakeProvider, email: str) -> None:
    provider.replies(text("That was long."))
    huge = "word " * 2_000_000
    with narrow.client(email) as person:
        assert person.post("/api/chat/message", json={"message": huge}).status_code == 200
        assert person.get("/api/chat/history").json()["data"][0]["content"][0]["text"] == huge
    assert estimated_tokens(provider.requests[-1].question) <= BUDGET


def test_a_question_that_failed_is_known_to_the_next_turn(narrow: Server, provider: FakeProvider, email: str) -> None:
    provider.replies(status(400), text("Fine."))
    with narrow.client(email) as person:
        person.post("/api/chat/message", json={"message": "First"})
        person.post("/api/chat/message", json={"message": "Second"})
    assert provider.requests[-1].messages[1:] == [{"role": "user", "content": "First\n\nSecond"}]
