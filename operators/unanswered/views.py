"""The page of unanswered questions, and what its buttons do."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from chat.models import Message
from context.prepare import Unreadable
from operators.audit import Action, record, record_each
from operators.takeover.views import back
from operators.unanswered import reads, writes
from operators.unanswered.likeness import grouped
from operators.unanswered.reads import MAX_QUESTIONS, OpenQuestion

_GROUPS_A_PAGE = 50
_SHOWN_OF_A_GROUP = 20
_WORDINGS = 8
_REASONS = {**dict(Message.Gap.choices), "flagged": gettext_lazy("flagged")}


@dataclass(frozen=True)
class Group:
    """Questions that are like each other, the newest first."""

    questions: list[OpenQuestion]

    @property
    def first(self) -> OpenQuestion:
        return self.questions[0]

    @property
    def shown(self) -> list[OpenQuestion]:
        return self.questions[:_SHOWN_OF_A_GROUP]

    @property
    def more(self) -> int:
        return len(self.questions) - len(self.shown)

    @cached_property
    def people(self) -> int:
        return len({question.email or question.answer for question in self.questions})

    @property
    def answers(self) -> str:
        return ",".join(str(question.answer) for question in self.questions)

    @cached_property
    def reasons(self) -> list[str]:
        kinds = {question.gap for question in self.questions}
        kinds |= {"flagged"} if any(question.is_flagged for question in self.questions) else set()
        return [str(words) for kind, words in _REASONS.items() if kind in kinds]


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    _demand(request, "chat.view_message")
    reason = request.GET.get("reason", "")
    found = reads.open_questions()
    questions = [question for question in found if not reason or reason in (question.gap, _flag_of(question))]
    places = grouped([question.text for question in questions], reads.stems)
    groups = sorted((Group([questions[place] for place in each]) for each in places), key=_order)
    page = Paginator(groups, _GROUPS_A_PAGE).get_page(request.GET.get("page"))
    choices = [("", _("all"))] + [(str(kind), str(words)) for kind, words in _REASONS.items()]
    shown = {"page": page, "reason": reason, "reasons": choices, "is_cut": len(found) == MAX_QUESTIONS}
    return _page(request, "overview", _("Unanswered questions"), shown | {"questions": len(questions)})


def _flag_of(question: OpenQuestion) -> str:
    return "flagged" if question.is_flagged else ""


def _order(group: Group) -> tuple[int, float]:
    return -len(group.questions), -group.first.asked_at.timestamp()


def _has_words(text: str) -> None:
    if not any(sign.isalnum() for sign in text):
        raise ValidationError(_("Write it in words."))


class AnswerForm(forms.Form):
    question = forms.CharField(
        validators=[_has_words],
        label=gettext_lazy("Question"),
        max_length=writes.MAX_TITLE,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("It becomes the title. Everybody's agent may read it: leave out what is personal."),
    )
    others = forms.CharField(
        label=gettext_lazy("Other wordings"),
        required=False,
        max_length=5000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text=gettext_lazy("One a line. Who asks in these words finds the answer too."),
    )
    answer = forms.CharField(
        validators=[_has_words],
        label=gettext_lazy("Answer"),
        max_length=100_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 10}),
    )


@require_POST
def answer(request: HttpRequest) -> HttpResponse:
    """Shows the form for the answers named in ``answers``; with ``save``, stores what was written."""
    _demand(request, "chat.view_message", "chat.flag_message", "context.add_document")
    answers = _answers(request)
    if "save" not in request.POST:
        return _writing(request, AnswerForm(initial=_wordings(answers)))
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return _writing(request, form)
    given = form.cleaned_data
    try:
        document = writes.write_answer(**given, answers=answers, by=request.user.get_username())
    except Unreadable as problem:
        form.add_error("answer", str(problem))
        return _writing(request, form)
    record(request, Action.ADDED, whom=document.title, details=_("an answer to %d questions") % len(answers))
    where = reverse("admin:context_document_change", args=[document.pk])
    words = _("The agent knows the answer now: %s. The questions are done.")
    messages.success(request, format_html(words, format_html('<a href="{}">{}</a>', where, document.title)))
    return redirect("admin:unanswered")


def _writing(request: HttpRequest, form: AnswerForm) -> HttpResponse:
    asked = reads.open_questions(_answers(request))
    shown = {"form": form, "asked": asked[:_SHOWN_OF_A_GROUP], "count": len(asked), "answers": request.POST["answers"]}
    return _page(request, "answer", _("Write the answer"), shown)


def _wordings(answers: list[int]) -> dict[str, str]:
    """The question in the words of the first, and the others' beside it."""
    asked = dict.fromkeys(writes.line(question.text)[: writes.MAX_TITLE] for question in reads.open_questions(answers))
    first, *others = [*asked] or [""]
    return {"question": first, "others": "\n".join(others[:_WORDINGS])}


@require_POST
def dismiss(request: HttpRequest) -> HttpResponse:
    _demand(request, "chat.flag_message")
    answers = _answers(request)
    asked = reads.open_questions(answers)
    count = writes.settle(answers)
    record_each(request, Action.DISMISSED, {question.email for question in asked})
    messages.success(request, ngettext("%d question is off the list.", "%d questions are off the list.", count) % count)
    return back(request)


@require_POST
def flag(request: HttpRequest, message: int) -> HttpResponse:
    _demand(request, "chat.flag_message")
    flagged = writes.flag(message, on="off" not in request.POST)
    if flagged is None:
        raise Http404
    record(request, Action.FLAGGED, whom=str(flagged.conversation))
    return back(request)


def _answers(request: HttpRequest) -> list[int]:
    """The keys in the form, as the page gave them out."""
    named = [key for key in request.POST.get("answers", "").split(",") if key.isascii() and key.isdigit()]
    return [int(key) for key in named[:MAX_QUESTIONS] if len(key) < 19]


def _demand(request: HttpRequest, *permissions: str) -> None:
    if not request.user.has_perms(permissions):
        raise PermissionDenied


def _page(request: HttpRequest, name: str, title: str, shown: dict[str, Any]) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": title, **shown}
    return render(request, f"operators/unanswered/{name}.html", context)
