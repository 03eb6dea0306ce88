from django.apps import AppConfig


class ChatPageConfig(AppConfig):
    name = "chatpage"
    verbose_name = "Chat page"
