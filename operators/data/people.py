"""People as commands and pages name them."""

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.core.validators import validate_email


def known_as(email: str) -> str:
    """The e-mail as it is stored; raises ``CommandError`` for what is none."""
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise CommandError("That is no e-mail address.") from None
    return email
