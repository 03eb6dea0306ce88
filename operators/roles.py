"""Viewer, operator, owner: what each role may do, as groups of Django's permissions.

A permission belongs to the first role that has it, and to those above. Each permission is decided upon here:
`tests/test_roles.py` sees to that.
"""

from typing import Any

from django.db.models.signals import post_migrate
from django.dispatch import receiver

VIEWER, OPERATOR, OWNER = "viewer", "operator", "owner"

_ADDED: dict[str, list[str]] = {
    # Numbers, no transcripts.
    VIEWER: [
        "operators.view_numbers",
        "context.view_document",
        "context.view_chunk",
        "context.view_source",
        "context.view_embeddingindex",
        "chat.view_prompt",
    ],
    # Transcripts, taking over, the context.
    OPERATOR: [
        "chat.view_person",
        "chat.view_conversation",
        "chat.view_message",
        "chat.view_attachment",
        "chat.view_toolcall",
        "chat.view_summary",
        "chat.view_fact",
        "chat.take_over",
        "chat.flag_message",
        "chat.ask_again",
        "context.add_document",
        "context.change_document",
        "context.delete_document",
        "operators.run_doctor",
    ],
    # Everything: how it behaves, the team, what is gone for good.
    OWNER: [
        "chat.add_prompt",
        "chat.delete_fact",
        "chat.delete_conversation",
        "chat.delete_message",
        "chat.delete_summary",
        "chat.view_toolserver",
        "chat.add_toolserver",
        "chat.change_toolserver",
        "chat.delete_toolserver",
        "chat.view_servertool",
        "chat.change_servertool",
        "auth.view_user",
        "auth.add_user",
        "auth.change_user",
        "auth.delete_user",
        "auth.view_group",
        "operators.view_auditentry",
        "operators.view_forgottenperson",
        "operators.export_data",
        "operators.forget_person",
    ],
}

PERMISSIONS: dict[str, list[str]] = {
    VIEWER: _ADDED[VIEWER],
    OPERATOR: _ADDED[VIEWER] + _ADDED[OPERATOR],
    OWNER: _ADDED[VIEWER] + _ADDED[OPERATOR] + _ADDED[OWNER],
}
"""All of what each role may do."""


NOBODY = [
    # What happened is not made up, and not touched up.
    "chat.add_conversation",
    "chat.change_conversation",
    "chat.add_message",
    "chat.change_message",
    "chat.add_summary",
    "chat.change_summary",
    "chat.add_toolcall",
    "chat.change_toolcall",
    "chat.delete_toolcall",
    "chat.add_attachment",
    "chat.change_attachment",
    "chat.delete_attachment",
    "chat.add_fact",
    "chat.change_fact",
    # A version of the prompt is published, and stays; a draft is its writer's own.
    "chat.change_prompt",
    "chat.delete_prompt",
    "chat.add_promptdraft",
    "chat.change_promptdraft",
    "chat.delete_promptdraft",
    "chat.view_promptdraft",
    # A server says which tools it has.
    "chat.add_servertool",
    "chat.delete_servertool",
    # Made from documents.
    "context.add_chunk",
    "context.change_chunk",
    "context.delete_chunk",
    "context.add_source",
    "context.change_source",
    "context.delete_source",
    "context.add_embeddingindex",
    "context.change_embeddingindex",
    "context.delete_embeddingindex",
    # What a role may do is written here.
    "auth.add_group",
    "auth.change_group",
    "auth.delete_group",
]
"""What no role may do, a superuser no more than the pages let them."""


@receiver(post_migrate)
def establish(sender: Any, using: str, **_kwargs: Any) -> None:
    """Gives each role its permissions, once Django has made those of the last app.

    Here and not in the migration that makes the groups: there are no permissions yet when migrations run.
    """
    if sender.label != _last_app():
        return
    from django.contrib.auth.models import Group, Permission

    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.using(using).select_related("content_type")
    }
    for role, names in PERMISSIONS.items():
        group, _ = Group.objects.using(using).get_or_create(name=role)
        group.permissions.set([known[name] for name in names if name in known])


def _last_app() -> str:
    """The one whose ``post_migrate`` comes last."""
    from django.apps import apps

    return [config.label for config in apps.get_app_configs() if config.models_module is not None][-1]
