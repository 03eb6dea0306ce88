from django.apps import AppConfig


class CCAgentConfig(AppConfig):
    name = "ccagent"
    verbose_name = "Installation"

    def ready(self) -> None:
        from ccagent import checks  # noqa: F401  (registers itself)
