"""The form by which operators add to the context."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from context.inputs import Content, from_upload, from_web

_WAYS = ("text", "url", "uploads")


class FilesInput(forms.FileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Several files; a single one is a list too."""

    widget = FilesInput

    def clean(self, data: Sequence[UploadedFile[Any]] | None, initial: Any = None) -> list[UploadedFile[Any]]:
        return [super(FilesField, self).clean(file, initial) for file in data or []]


class AddForm(forms.Form):
    text = forms.CharField(required=False, label=_("Text"), widget=forms.Textarea(attrs={"rows": 10, "cols": 100}))
    url = forms.CharField(
        required=False,
        label=_("Web address"),
        widget=forms.TextInput(attrs={"size": 100}),
        help_text=_("A page or document that anybody can read, like https://example.com/page."),
    )
    uploads = FilesField(
        label=_("Files"),
        required=False,
        allow_empty_file=True,
        max_length=255,
        help_text=_(
            "Texts, PDF, Word, PowerPoint, Excel, HTML, CSV, JSON, notebooks, source code. "
            "A file replaces an earlier one of the same name."
        ),
    )
    title = forms.CharField(
        required=False,
        max_length=500,
        label=_("Title"),
        help_text=_("For one document. Empty: the title that is found in it."),
    )

    def clean(self) -> dict[str, Any]:
        given = [way for way in _WAYS if self.cleaned_data.get(way)]
        if len(given) != 1 and not self.errors:
            raise forms.ValidationError(_("Give one of these: a text, a web address, or files."))
        if self.cleaned_data.get("title") and len(self.cleaned_data.get("uploads", [])) > 1:
            self.add_error("title", _("One title does not fit several files: leave it empty."))
        return self.cleaned_data

    def things(self) -> Iterator[tuple[str, str, Callable[[], Content | None]]]:
        """What was given: the field, what to call the thing in an error, and how to read it."""
        if text := self.cleaned_data["text"]:
            yield "text", "", partial(Content, text)
        if url := self.cleaned_data["url"]:
            yield "url", "", partial(from_web, url)
        for file in self.cleaned_data["uploads"]:
            yield "uploads", f"“{file.name}”: ", partial(from_upload, file)


class ReplaceForm(AddForm):
    """One thing in the place of another."""

    title = forms.CharField(
        required=False, max_length=500, label=_("Title"), help_text=_("Empty: it keeps the one that it has.")
    )

    def clean(self) -> dict[str, Any]:
        super().clean()
        if len(self.cleaned_data.get("uploads", [])) > 1:
            self.add_error("uploads", _("One file takes the place of one document."))
        return self.cleaned_data
