"""The prompt's versions in the admin: write a draft, see the difference, publish, go back."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from chat import storage
from chat.agent.prompt import DEFAULT_SYSTEM_PROMPT
from chat.content import Text
from chat.models import Message, Prompt, PromptDraft
from chat.prompts import draft_of, in_force, newest_version, publish, seen_now

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert('x')</script>"
LIST, ADD, REVIEW = "/admin/chat/prompt/", "/admin/chat/prompt/add/", "/admin/chat/prompt/draft/"


class Operator:
    """An operator's browser, over https."""

    def __init__(self, name: str = "ann", **about: Any) -> None:
        about = about or {"is_superuser": True}
        self.user = User.objects.create_user(name, is_staff=True, **about)
        self.client = Client()
        self.client.force_login(self.user)

    def get(self, path: str) -> str:
        """The page, after any redirect."""
        return str(self.client.get(path, secure=True, follow=True).content.decode())

    def status(self, path: str) -> int:
        return self.client.get(path, secure=True).status_code

    def post(self, path: str, **form: Any) -> str:
        return str(self.client.post(path, form, secure=True, follow=True).content.decode())

    def write(self, system: str, **form: Any) -> str:
        """Saves a draft; the page that the operator comes to."""
        self.get(ADD)
        draft = PromptDraft.objects.get(operator=self.user)
        form = {"system": system, "retrieval": "unknown", **form}
        return self.post(f"/admin/chat/promptdraft/{draft.pk}/change/", **form)

    def decide(self, path: str) -> Callable[[], str]:
        """Looks at a difference now; what it returns publishes what was seen then."""
        seen = self.client.get(path, secure=True).context["seen"]
        return lambda: self.post(path, version=seen.version, saved_at=seen.saved_at)


@pytest.fixture
def ann() -> Operator:
    return Operator()


def version(system: str) -> Prompt:
    """A version that somebody else published."""
    other = User.objects.get_or_create(username="zoe")[0]
    draft = draft_of(other.pk)
    draft.system = system
    draft.save()
    return publish(draft, seen_now(draft))


# Drafts.


def test_a_draft_begins_with_the_version_in_force(ann: Operator) -> None:
    page = ann.get(ADD)
    assert DEFAULT_SYSTEM_PROMPT in page
    assert "Draft from version" in page


def test_a_draft_is_kept_and_changes_nothing(ann: Operator) -> None:
    ann.write("Be brief.", _continue="yes")
    assert "Be brief." in ann.get(ADD)
    assert in_force().system == DEFAULT_SYSTEM_PROMPT


def test_nobody_else_reads_or_changes_a_draft(ann: Operator) -> None:
    ann.write("Be brief.")
    path = f"/admin/chat/promptdraft/{PromptDraft.objects.get().pk}/change/"
    bob = Operator("bob")
    bob.post(path, system="Be rude.", retrieval="unknown")
    assert "Be brief." not in bob.get(path)
    assert PromptDraft.objects.get(operator=ann.user).system == "Be brief."


def test_a_draft_may_be_thrown_away(ann: Operator) -> None:
    ann.write("Be brief.")
    page = ann.post(f"/admin/chat/promptdraft/{PromptDraft.objects.get().pk}/delete/", post="yes")
    assert not PromptDraft.objects.exists()
    assert "Select prompt version" in page


def test_what_browsers_make_of_line_ends_is_undone(ann: Operator) -> None:
    ann.write("Be\r\nbrief.\rNow.")
    assert PromptDraft.objects.get().system == "Be\nbrief.\nNow."


BAD = {
    "no words": {"system": " \r\n "},
    "a NUL": {"system": "Be\x00brief."},
    "too many words": {"system": "x" * 100_001},
    "a temperature above 2": {"temperature": "2.1"},
    "a temperature that is none": {"temperature": "nan"},
    "no tokens": {"max_tokens": "0"},
    "more tokens than Postgres can count": {"max_tokens": "99999999999"},
    "no passages": {"passages": "0"},
    "too many passages": {"passages": "21"},
    "a model of two words": {"model": "big model"},
}


@pytest.mark.parametrize("kind", BAD)
def test_a_mistake_is_told_and_not_saved(kind: str, ann: Operator) -> None:
    page = ann.write(**{"system": "Be brief.", **BAD[kind]})
    assert "Please correct the error" in page
    assert PromptDraft.objects.get().system == DEFAULT_SYSTEM_PROMPT


@pytest.mark.parametrize("button", ["_save", "_continue"])
def test_unknown_placeholders_are_pointed_out_at_saving(button: str, ann: Operator) -> None:
    page = ann.write("Today is {{today}}, about {{ topic }}.", **{button: "yes"})
    assert "The model gets {{ topic }} as it stands" in page
    assert PromptDraft.objects.get().system.endswith("{{ topic }}.")


def test_known_placeholders_are_not(ann: Operator) -> None:
    assert "as it stands" not in ann.write("{{agent_name}} {{ today }} {{ user_email }}")


def test_the_form_shows_what_the_environment_says(ann: Operator, settings: Settings) -> None:
    given = {"provider_model": "small-model", "provider_max_tokens": 777, "passages": 9, "retrieval": False}
    settings.ENV = settings.ENV.model_copy(update=given)
    page = ann.get(ADD)
    for shown in ('placeholder="small-model"', 'placeholder="777"', 'placeholder="9"', "As RETRIEVAL says (off)"):
        assert shown in page


# The difference.


def test_the_difference_to_the_version_in_force_is_shown(ann: Operator) -> None:
    version("You are kind.")
    page = ann.write("You are very kind.", temperature="0.4")
    assert "You are <ins>very </ins>kind." in page
    assert "<ins>0.4</ins>" in page


def test_the_preview_has_the_values(ann: Operator, settings: Settings) -> None:
    User.objects.update(email="ann@home.example")
    page = ann.write("{{ agent_name }} on {{ today }} for {{ user_email }}")
    assert f"{settings.APP_NAME} on {timezone.localdate().isoformat()} for ann@home.example" in page


def test_what_an_operator_writes_is_text_and_never_markup(ann: Operator) -> None:
    version(f"{HOSTILE} is old.")
    pages = [ann.write(f"{HOSTILE} is new {{{{ {HOSTILE} }}}}.", model=HOSTILE)]
    ann.decide(REVIEW)()
    pages += [ann.get(LIST), ann.get(f"{LIST}{newest_version().pk}/change/")]
    assert [page for page in pages if "<script>alert" in page] == []
    assert [page for page in pages if "&lt;script&gt;alert" not in page] == []


def test_a_draft_like_the_version_in_force_cannot_be_published(ann: Operator) -> None:
    page = ann.write(DEFAULT_SYSTEM_PROMPT)
    assert "Nothing differs." in page
    assert "Publish as a new version" not in page


# Publishing.


def test_a_draft_is_published_with_all_that_was_chosen(ann: Operator) -> None:
    ann.write("Be brief.", model="big", temperature="0", max_tokens="9", retrieval="false", passages="3")
    page = ann.decide(REVIEW)()
    assert "is in force: the next answer is given under it." in page
    assert list(newest_version().content.values()) == ["Be brief.", "big", 0.0, 9, False, 3]
    assert newest_version().published_by == "ann"


def test_the_second_of_two_operators_is_told_and_sees_the_difference_anew(ann: Operator) -> None:
    bob = Operator("bob")
    for operator in (ann, bob):
        operator.write(f"I am {operator.user.username}.")
    of_ann, of_bob = ann.decide(REVIEW), bob.decide(REVIEW)
    of_ann()
    page = of_bob()
    assert "was published by ann meanwhile" in page
    assert "<del>ann</del><ins>bob</ins>" in page
    assert newest_version().system == "I am ann."


def test_who_looked_again_may_publish_over_the_other_s_version(ann: Operator) -> None:
    ann.write("I am ann.")
    version("I am zoe.")
    assert "what it changed and your draft has not is undone" in ann.get(REVIEW)
    ann.decide(REVIEW)()
    assert newest_version().system == "I am ann."


def test_a_draft_saved_again_in_another_window_is_not_published_unseen(ann: Operator) -> None:
    ann.write("One.")
    decide = ann.decide(REVIEW)
    ann.write("Two.")
    assert "you saved the draft again" in decide()
    assert in_force().system == DEFAULT_SYSTEM_PROMPT


def test_a_second_click_on_publish_publishes_nothing_more(ann: Operator) -> None:
    ann.write("Be brief.")
    decide = ann.decide(REVIEW)
    for _ in range(2):
        decide()
    assert Prompt.objects.count() == 2


@pytest.mark.parametrize("form", [{}, {"version": "x"}, {"version": "²"}, {"version": "9" * 30, "saved_at": "\x00"}])
def test_a_form_that_no_page_sent_publishes_nothing(form: dict[str, str], ann: Operator) -> None:
    ann.write("Be brief.")
    assert "Not published" in ann.post(REVIEW, **form)
    assert in_force().system == DEFAULT_SYSTEM_PROMPT


# Going back.


def test_an_earlier_version_is_put_in_force_again_as_a_new_one(ann: Operator) -> None:
    old = version("Be old.")
    version("Be new.")
    path = f"{LIST}{old.pk}/go-back/"
    assert path in ann.get(f"{LIST}{old.pk}/change/")
    assert "<del>new</del><ins>old</ins>" in ann.get(path)
    assert f"Version {old.pk}" in ann.decide(path)()
    assert (newest_version().system, newest_version().restored) == ("Be old.", old)


def test_going_back_too_is_told_that_the_version_changed(ann: Operator) -> None:
    old = version("Be old.")
    version("Be new.")
    decide = ann.decide(f"{LIST}{old.pk}/go-back/")
    newest = version("Be newest.")
    assert "was published by zoe meanwhile" in decide()
    assert newest_version() == newest


def test_the_version_in_force_offers_no_way_back_to_itself(ann: Operator) -> None:
    assert "go-back" not in ann.get(f"{LIST}{version('Be new.').pk}/change/")


def test_there_is_no_way_back_to_what_never_was(ann: Operator) -> None:
    assert ann.status(f"{LIST}{newest_version().pk + 1}/go-back/") == 404


# Versions and answers.


def test_a_version_shows_what_it_changed(ann: Operator) -> None:
    version("Be old.")
    assert "Be <del>old</del><ins>new</ins>." in ann.get(f"{LIST}{version('Be new.').pk}/change/")


@pytest.mark.parametrize("action", ["change", "delete"])
def test_a_version_is_neither_changed_nor_deleted(action: str, ann: Operator) -> None:
    old = version("Be old.")
    response = ann.client.post(f"{LIST}{old.pk}/{action}/", {"system": "Be new.", "post": "yes"}, secure=True)
    assert response.status_code == 403
    assert Prompt.objects.get(pk=old.pk).system == "Be old."


def answered(under: Prompt) -> Message:
    answer = storage.open_turn("x@example.com", [Text("Hi")], timezone.now()).answer
    storage.close_turn(answer.pk, {"prompt_id": under.pk, "text": "Well.", "status": "complete"}, [])
    return answer


def test_an_answer_leads_to_its_version_from_the_message_and_the_transcript(ann: Operator) -> None:
    old = version("Be old.")
    answer = answered(old)
    version("Be new.")
    link = f"{LIST}{old.pk}/change/"
    assert link in ann.get(f"/admin/chat/message/{answer.pk}/change/")
    assert link in ann.get(f"/admin/chat/conversation/{answer.conversation_id}/change/")


def test_a_version_leads_to_its_answers(ann: Operator) -> None:
    old = version("Be old.")
    answered(old)
    answered(version("Be new."))
    address = f"/admin/chat/message/?prompt={old.pk}"
    assert address in ann.get(f"{LIST}{old.pk}/change/")
    assert re.search(r"\b1\s+message\b", ann.get(address))


def test_the_list_says_which_is_in_force_and_takes_few_queries(ann: Operator) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert ann.get(LIST).count('title="True"') == 1
        return len(captured)

    for number in range(3):
        version(f"Be {number}.")
    queries()
    few = queries()
    for number in range(20):
        version(f"Be like {number}.")
    assert queries() == few < 10


# Who is refused.


def test_a_stranger_is_sent_to_the_door() -> None:
    old = version("Be old.")
    version("Be new.")
    for path in (LIST, ADD, REVIEW, f"{LIST}{old.pk}/go-back/", "/admin/chat/promptdraft/1/change/"):
        for response in (Client().get(path, secure=True), Client().post(path, secure=True)):
            assert (response.status_code, "/admin/login/" in response["Location"]) == (302, True)


def test_who_may_only_look_neither_writes_nor_publishes() -> None:
    reader = Operator("reader", is_superuser=False)
    reader.user.user_permissions.add(Permission.objects.get(codename="view_prompt"))
    old = version("Be old.")
    version("Be new.")
    assert reader.status(LIST) == 200
    assert "go-back" not in reader.get(f"{LIST}{old.pk}/change/")
    assert [reader.status(path) for path in (ADD, REVIEW, f"{LIST}{old.pk}/go-back/")] == [403] * 3


def test_nothing_is_published_by_another_site_s_form(ann: Operator) -> None:
    ann.write("Be brief.")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ann.user)
    assert strict.post(REVIEW, {"version": newest_version().pk}, secure=True).status_code == 403


# A model that only the version names.


def test_the_admin_warns_of_no_missing_model_where_the_version_names_one(ann: Operator, settings: Settings) -> None:
    settings.ENV = settings.ENV.model_copy(update={"provider_name": "x", "provider_base_url": "http://127.0.0.1:9"})
    assert "PROVIDER_MODEL is missing" in ann.get(LIST)
    ann.write("Be brief.", model="big")
    assert "PROVIDER_MODEL is missing" not in ann.decide(REVIEW)()
