"""What operators fill in to forget a person."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _


class PersonForm(forms.Form):
    """The e-mail as it is stored."""

    email = forms.EmailField(max_length=254, label=_("E-mail"))

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).strip().lower()


class ForgetForm(PersonForm):
    email = forms.EmailField(max_length=254, widget=forms.HiddenInput)
    again = forms.CharField(
        max_length=254,
        label=_("Type the e-mail to confirm"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
    )

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("again", "").strip().lower() != self.cleaned_data.get("email"):
            self.add_error("again", _("This is not the e-mail of the person whom this page is about."))
        return self.cleaned_data
