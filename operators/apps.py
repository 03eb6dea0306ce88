from django.apps import AppConfig
from django.contrib.admin import apps as django_admin


class OperatorsConfig(AppConfig):
    name = "operators"
    verbose_name = "Operators"
    default = True

    def ready(self) -> None:
        from operators import roles  # noqa: F401  (registers itself)
        from operators.audit import storing  # noqa: F401  (registers itself)
        from operators.translatable import make_names_translatable

        make_names_translatable()


class AdminConfig(django_admin.AdminConfig):
    """Django's admin with our own site in it."""

    default = False
    default_site = "operators.site.OperatorsSite"
