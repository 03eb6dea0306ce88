"""Versions of the prompt: which is in force, how one comes into force, and what answers are given under it."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import ProtectedError
from django.utils import timezone
from psycopg.rows import dict_row
from pytest_django import DjangoAssertNumQueries, Settings

from chat import preparation, prompts, storage
from chat.agent import configuration
from chat.agent.prompt import DEFAULT_SYSTEM_PROMPT, fill_in, unknown_placeholders
from chat.content import Text
from chat.difference import difference
from chat.models import Prompt, PromptDraft
from chat.prompts import Outdated, Seen, draft_of, go_back, in_force, newest_version, publish, seen_now
from tests.conftest import KEY, Serve, Server
from tests.fake_provider import FakeProvider

VALUES = {"agent_name": "Hal", "today": "2026-01-02", "user_email": "ann@example.com"}

# Placeholders.

FILLED = {
    "{{ agent_name }}, {{ today }}, {{ user_email }}": "Hal, 2026-01-02, ann@example.com",
    "{{agent_name}} {{  today\t}} {{\nuser_email }}": "Hal 2026-01-02 ann@example.com",
    "{{ today }}{{ today }}": "2026-01-022026-01-02",
    "{{{ today }}}": "{2026-01-02}",
    "{{ Today }} {{ to day }} {{ today }": "{{ Today }} {{ to day }} {{ today }",
    "{ today } {{}} }}{{": "{ today } {{}} }}{{",
}


@pytest.mark.parametrize("system", FILLED)
def test_placeholders_are_filled_in_with_any_blanks_around_the_name(system: str) -> None:
    assert fill_in(system, **VALUES) == FILLED[system]


def test_a_value_that_looks_like_a_placeholder_stays_as_it_is() -> None:
    values = {"agent_name": "{{ user_email }}", "today": "{{ agent_name }}", "user_email": "{{ today }}"}
    assert fill_in("{{ agent_name }} {{ today }} {{ user_email }}", **values) == " ".join(values.values())


def test_unknown_placeholders_are_named_as_they_are_written_and_once() -> None:
    system = "{{ today }} {{ topic }} {{ topic }} {{User_Email}} {{ a.b|c }} {{}} { x }"
    assert unknown_placeholders(system) == ["{{ topic }}", "{{User_Email}}", "{{ a.b|c }}", "{{}}"]


def test_many_braces_take_no_time() -> None:
    started = time.process_time()
    for system in ("{" * 100_000, "{{" + " " * 100_000, "{{a" * 33_000):
        assert unknown_placeholders(system) == []
    assert time.process_time() - started < 5


# Differences.

TEXTS = [
    ("", "One.\n"),
    ("One.\nTwo.\nThree.", "One.\nTwo and a half.\nThree."),
    ("You are kind, and brief.", "You are very kind and not so brief."),
    ("<b>a</b>\n\n\nz", "<i>a</i>\nz\n"),
    ("a " * 3000, "b " * 3000),
]


@pytest.mark.parametrize(("before", "after"), [*TEXTS, *[(after, before) for before, after in TEXTS]])
def test_a_difference_holds_both_texts(before: str, after: str) -> None:
    pieces = difference(before, after)
    for text, other in ((before, "added"), (after, "removed")):
        assert "".join(piece.text for piece in pieces if piece.kind != other).replace("↵", "") == text


def test_a_difference_is_told_by_words() -> None:
    pieces = difference("You are kind.\nBe brief.\n", "You are very kind.\nBe brief.\n")
    assert [piece.text for piece in pieces if piece.kind != "same"] == ["very "]


def test_a_sentence_that_is_another_is_not_told_word_by_word() -> None:
    pieces = difference("You are kind to all people.", "Never tell what you think of them.")
    assert [piece.kind for piece in pieces] == ["removed", "added"]


def test_what_is_far_from_a_change_is_left_out() -> None:
    lines = [f"Line {number}.\n" for number in range(100)]
    changed = [*lines[:50], "New.\n", *lines[50:]]
    pieces = difference("".join(lines), "".join(changed))
    assert [piece.text for piece in pieces if piece.kind == "gap"] == ["47 lines are the same"] * 2
    assert "".join(piece.text for piece in pieces if piece.kind == "same") == "".join(lines[47:53])


# Which version is in force.


@pytest.fixture
def ann(db: None) -> User:  # noqa: ARG001
    return User.objects.create_superuser("ann")


def published(ann: User, **content: Any) -> Prompt:
    """A version that an operator makes of the one in force."""
    draft = draft_of(ann.pk)
    for name, value in content.items():
        setattr(draft, name, value)
    draft.save()
    return publish(draft, seen_now(draft))


@pytest.mark.django_db
def test_the_first_version_is_made_of_this_projects_own_words() -> None:
    assert in_force().system == DEFAULT_SYSTEM_PROMPT
    assert (in_force().version, Prompt.objects.count()) == (newest_version().pk, 1)


_WAITING = "SELECT count(*) FROM pg_locks WHERE relation = 'chat_prompt'::regclass AND NOT granted"


def wait_for_waiting(cursor: CursorWrapper, count: int) -> None:
    """Until so many processes wait to write versions."""
    deadline = time.monotonic() + 10
    waiting = 0
    while waiting < count:
        assert time.monotonic() < deadline
        cursor.execute(_WAITING)
        [waiting] = cursor.fetchone()
        time.sleep(0.01)


def together(work: Callable[[int], Any], count: int) -> list[Any]:
    """What so many processes get that have all looked before any of them can write."""

    def run(number: int) -> Any:
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE chat_prompt IN SHARE ROW EXCLUSIVE MODE")
            running = [pool.submit(run, number) for number in range(count)]
            wait_for_waiting(cursor, count)
        return [each.result() for each in running]


@pytest.mark.django_db(transaction=True)
def test_processes_that_meet_an_empty_table_at_once_make_one_first_version() -> None:
    assert len(set(together(lambda _: in_force().version, 6))) == 1
    assert Prompt.objects.count() == 1


@pytest.mark.django_db
def test_the_version_in_force_is_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    newest_version()
    with django_assert_num_queries(1):
        in_force()


CHOSEN = {"model": "big", "temperature": 0.0, "max_tokens": 50, "retrieval": False, "passages": 3}
OF_ENVIRONMENT = {"provider_temperature": 0.5, "provider_max_tokens": 70, "retrieval": True, "passages": 9}


def test_what_a_version_leaves_empty_is_as_the_environment_says(ann: User, settings: Settings) -> None:
    settings.ENV = settings.ENV.model_copy(update=OF_ENVIRONMENT)
    version = published(ann, system="Be brief.")
    assert in_force() == prompts.InForce(version.pk, "Be brief.", "", *OF_ENVIRONMENT.values())  # type: ignore[arg-type]


def test_what_a_version_says_counts_more_than_the_environment(ann: User, settings: Settings) -> None:
    settings.ENV = settings.ENV.model_copy(update=OF_ENVIRONMENT)
    version = published(ann, system="Be brief.", **CHOSEN)
    assert in_force() == prompts.InForce(version.pk, "Be brief.", *CHOSEN.values())  # type: ignore[arg-type]


@pytest.fixture
def asked(settings: Settings) -> Callable[..., list[str]]:
    """The models that are asked under a version that names one, or none."""
    given = {"provider_name": "ollama", "provider_base_url": "http://box:1/v1", "fallback_models": "tiny"}

    async def models(model: str, **variables: str) -> list[str]:
        env = settings.ENV.model_copy(update=given | variables)
        try:
            return [provider.model for provider in configuration.current(env, model)]
        finally:
            await configuration.close()

    return models  # type: ignore[return-value]


@pytest.mark.parametrize(("model", "first"), [("", "small"), ("big", "big")])
async def test_a_version_s_model_takes_the_place_of_the_first_alone(model: str, first: str, asked: Any) -> None:
    assert await asked(model, provider_model="small") == [first, "tiny"]


async def test_a_version_s_model_will_do_where_the_environment_names_none(asked: Any) -> None:
    assert await asked("big", provider_model="") == ["big", "tiny"]


def test_without_retrieval_no_question_goes_to_the_embeddings(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "active", lambda: True)
    asked = [Text("What of all the zebras in the zoo?")]
    question = storage.open_turn("x@example.com", asked, timezone.now()).question
    meant = [preparation.meant(question, asked)]
    published(ann, retrieval=False)
    assert [*meant, preparation.meant(question, asked)] == [asked[0].text, ""]


# Publishing.


def test_a_published_draft_is_a_new_version_and_the_old_one_stays(ann: User) -> None:
    old = newest_version()
    new = published(ann, system="Be brief.", **CHOSEN)
    assert (new.published_by, new.content) == ("ann", {"system": "Be brief.", **CHOSEN})
    assert [version.content for version in Prompt.objects.all()] == [new.content, old.content]
    assert not PromptDraft.objects.exists()


def test_going_back_is_a_new_version_that_says_where_to(ann: User) -> None:
    old = published(ann, system="Be brief.", **CHOSEN)
    newer = published(ann, system="Be long.", model="")
    again = go_back(old, seen_now(old), "bob")
    assert (again.content, again.restored, again.published_by) == (old.content, old, "bob")
    assert again.pk > newer.pk


def test_the_second_of_two_operators_is_told_that_the_version_changed(ann: User) -> None:
    bob = User.objects.create_superuser("bob")
    drafts = [draft_of(ann.pk), draft_of(bob.pk)]
    seen = [seen_now(draft) for draft in drafts]
    version = publish(drafts[0], seen[0])
    with pytest.raises(Outdated, match=f"Version {version.pk} was published by ann"):
        publish(drafts[1], seen[1])
    assert newest_version() == version


@pytest.mark.django_db(transaction=True)
def test_of_many_operators_at_one_instant_one_publishes() -> None:
    drafts = [draft_of(User.objects.create_superuser(f"operator{number}").pk) for number in range(6)]
    seen = seen_now(drafts[0]).version

    def runs(number: int) -> bool:
        try:
            publish(drafts[number], Seen(seen, drafts[number].saved_at.isoformat()))
        except Outdated:
            return False
        return True

    assert sorted(together(runs, 6)) == [False] * 5 + [True]
    assert (Prompt.objects.count(), PromptDraft.objects.count()) == (2, 5)


def test_a_draft_that_was_saved_again_is_not_published_unseen(ann: User) -> None:
    draft = draft_of(ann.pk)
    seen = seen_now(draft)
    draft.system = "Something else."
    draft.save()
    with pytest.raises(Outdated, match="saved the draft again"):
        publish(draft, seen)


def test_a_draft_is_each_operators_own(ann: User) -> None:
    assert draft_of(ann.pk) == draft_of(ann.pk) != draft_of(User.objects.create_superuser("bob").pk)


def test_a_version_that_an_answer_was_given_under_cannot_be_deleted(ann: User) -> None:
    version = published(ann, system="Be brief.")
    answer = storage.open_turn("x@example.com", [Text("Hi")], timezone.now()).answer
    storage.close_turn(answer.pk, {"prompt_id": version.pk}, [])
    with pytest.raises(ProtectedError):
        version.delete()


def test_an_operator_who_goes_leaves_the_versions(ann: User) -> None:
    version = published(ann, system="Be brief.")
    draft_of(ann.pk)
    ann.delete()
    assert Prompt.objects.get(pk=version.pk).published_by == "ann"


# Through real servers.

Publish = Callable[..., int]


@pytest.fixture
def put_in_force(server: Server) -> Iterator[Publish]:
    """Adds a version to the servers' database, and in the end another one with the words of the first."""

    def add(system: str, **content: Any) -> int:
        names = ["system", "created_at", *content]
        values = ", ".join(["%s", "now()"] + ["%s"] * len(content))
        statement = f"INSERT INTO chat_prompt ({', '.join(names)}) VALUES ({values}) RETURNING id"
        with psycopg.connect(server.database_url) as connection:
            [version] = connection.execute(statement, [system, *content.values()]).fetchone() or [0]
            return int(version)

    yield add
    add(DEFAULT_SYSTEM_PROMPT)


def kept(server: Server, email: str) -> list[tuple[int, str]]:
    """Version and model of each of the person's answers."""
    with psycopg.connect(server.database_url, row_factory=dict_row) as connection:
        rows = connection.execute(
            "SELECT prompt_id, model FROM chat_message JOIN chat_conversation conversation"
            " ON conversation.id = conversation_id WHERE email = %s AND role = 'assistant' ORDER BY sequence",
            [email],
        ).fetchall()
    return [(row["prompt_id"], row["model"]) for row in rows]


def ask(person: httpx2.Client, words: str = "Hi") -> None:
    assert person.post("/api/chat/message", json={"message": words}).status_code == 200


def test_a_new_version_is_in_force_with_the_next_turn_and_every_answer_remembers_its_own(
    server: Server, person: httpx2.Client, provider: FakeProvider, put_in_force: Publish, email: str
) -> None:
    versions = []
    for word in ("brief", "kind"):
        versions.append(put_in_force(f"Be {word} to {{{{user_email}}}}."))
        ask(person)
    systems = [request.messages[0]["content"] for request in provider.requests]
    assert systems == [f"Be brief to {email}.", f"Be kind to {email}."]
    assert [version for version, _ in kept(server, email)] == versions


def test_all_replicas_see_a_new_version(
    serve: Serve, server: Server, provider: FakeProvider, put_in_force: Publish, email: str
) -> None:
    other = serve(PROVIDER_NAME="fake", PROVIDER_MODEL="fake", PROVIDER_BASE_URL=provider.base_url, CHAT_RATE="99/s")
    for replica in (server, other):
        with replica.client(email, KEY) as person:
            ask(person)
    put_in_force("Be brief.")
    for replica in (server, other):
        with replica.client(email, KEY) as person:
            ask(person)
    systems = [request.messages[0]["content"] == "Be brief." for request in provider.requests]
    assert systems == [False, False, True, True]


def test_model_temperature_and_tokens_of_the_version_reach_the_provider(
    server: Server, person: httpx2.Client, provider: FakeProvider, put_in_force: Publish, email: str
) -> None:
    version = put_in_force("Be brief.", model="big", temperature=0.3, max_tokens=99)
    ask(person)
    sent = provider.requests[-1].json
    assert (sent["model"], sent["temperature"], sent["max_tokens"]) == ("big", 0.3, 99)
    assert kept(server, email) == [(version, "big")]


def test_nothing_is_sent_that_nobody_asked_for(
    person: httpx2.Client, provider: FakeProvider, put_in_force: Publish
) -> None:
    put_in_force("Be brief.")
    ask(person)
    assert not {"temperature", "max_tokens", "max_completion_tokens"} & set(provider.requests[-1].json)


@pytest.fixture
def context(person: httpx2.Client) -> str:
    """A word that eight documents hold."""
    word = "quokkawallaby"
    for number in range(8):
        text = f"{word} fact {number}: " + f"fact{number} ".join(str(number * 100 + other) for other in range(12))
        assert person.post("/api/context/text", json={"text": text}).status_code == 200
    return word


def test_the_version_says_how_many_passages_a_question_brings_along(
    person: httpx2.Client, provider: FakeProvider, put_in_force: Publish, context: str
) -> None:
    for number in (1, 7):
        put_in_force("Be brief.", passages=number)
        ask(person, f"What of {context}?")
        assert provider.requests[-1].messages[0]["content"].count("<passage") == number


def test_without_retrieval_there_are_neither_passages_nor_the_tool_that_finds_them(
    person: httpx2.Client, provider: FakeProvider, put_in_force: Publish, context: str
) -> None:
    put_in_force("Be brief.", retrieval=False)
    ask(person, f"What of {context}?")
    sent = provider.requests[-1]
    assert sent.messages[0]["content"] == "Be brief."
    assert "search_context" not in [tool["function"]["name"] for tool in sent.json["tools"]]
