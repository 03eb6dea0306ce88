"""What an installation keeps about itself."""

import secrets

from django.db import models


class Secret(models.Model):
    """A value made once for this installation, shared by all its processes because it lives with the data."""

    name = models.CharField(max_length=50, primary_key=True)
    value = models.CharField(max_length=200)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def kept(cls, name: str) -> str:
        """The secret of that name, made now if there is none; safe when several processes ask at once."""
        return cls.objects.get_or_create(name=name, defaults={"value": secrets.token_urlsafe(64)})[0].value
