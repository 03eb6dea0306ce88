"""A question tried out: what search finds for it, and what of that would go into the prompt."""

from dataclasses import dataclass
from time import perf_counter
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from ccagent.text import clean, estimated_tokens
from chat.prompts import InForce, in_force
from context import embeddings
from context.passages import FoundPassage, passages
from context.search import FoundChunk, search_with

_SHOWN = 20
_MODES = [("", gettext_lazy("as answers are made")), ("lexical", gettext_lazy("by words alone"))]
_BY_MEANING = ("dense", gettext_lazy("by meaning alone"))


class QuestionForm(forms.Form):
    q = forms.CharField(max_length=2000, label=gettext_lazy("Question"))
    mode = forms.ChoiceField(required=False, label=gettext_lazy("Search"), choices=_MODES)

    def __init__(self, *args: Any, by_meaning: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if by_meaning:
            self.fields["mode"].choices = [*_MODES, _BY_MEANING]  # type: ignore[attr-defined]

    def clean_q(self) -> str:
        return clean(self.cleaned_data["q"])


@dataclass(frozen=True)
class Row:
    """A chunk that was found; ``passage`` is its passage's number in the prompt, None where it does not go there."""

    chunk: FoundChunk
    passage: int | None

    @property
    def coverage(self) -> int:
        return round(100 * self.chunk.coverage)


@dataclass(frozen=True)
class Tried:
    """What came of a question."""

    rows: list[Row]
    given: list[FoundPassage]
    tokens: int
    by_meaning: bool
    milliseconds: int


@require_GET
def try_question(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("context.view_document"):
        raise PermissionDenied
    by_meaning = bool(embeddings.active())
    form = QuestionForm(request.GET if "q" in request.GET else None, by_meaning=by_meaning)
    prompt = in_force()
    context = {
        **admin.site.each_context(request),
        "title": _("Try a question"),
        "form": form,
        "prompt": prompt,
        "by_meaning": by_meaning,
        "tried": _tried(**form.cleaned_data, prompt=prompt) if form.is_valid() else None,
    }
    return render(request, "operators/trying/question.html", context)


def _tried(q: str, mode: Any, prompt: InForce) -> Tried:
    began = perf_counter()
    vector = None if mode == "lexical" else embeddings.embed_question(q)
    found = search_with(vector, q, _SHOWN, mode or None)
    # Of what goes into a prompt nothing can be chosen here: it is what the next answer would be given.
    given = passages(q, vector=vector, limit=prompt.passages) if prompt.retrieval and mode != "dense" else []
    milliseconds = round(1000 * (perf_counter() - began))
    numbers = {chunk: number for number, passage in enumerate(given, 1) for chunk in passage.chunks}
    rows = [Row(chunk, numbers.get(chunk.chunk)) for chunk in found]
    tokens = sum(estimated_tokens(passage.text) for passage in given)
    return Tried(rows, given, tokens, vector is not None, milliseconds)
