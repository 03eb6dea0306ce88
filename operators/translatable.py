"""Names that Django makes of a field's or a model's own name are translated like those that are written out."""

from django.apps import apps
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

_OURS = ("ccagent", "chat", "context", "operators")


def make_names_translatable() -> None:
    for label in _OURS:
        for model in apps.get_app_config(label).get_models():
            for named in (*model._meta.local_fields, model._meta):
                for name in ("verbose_name", "verbose_name_plural"):
                    written = getattr(named, name, None)
                    if isinstance(written, str) and not isinstance(written, Promise):
                        setattr(named, name, gettext_lazy(written))
