"""Viewer, operator, owner: what each role may do, as groups of Django's permissions.

A permission belongs to the first role that has it, and to those above. What is in no role's list is for nobody but a
superuser; `tests/test_roles.py` wants a decision on each.
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
