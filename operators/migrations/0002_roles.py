"""The three roles; `operators.roles` gives them their permissions after each migration."""

from typing import Any

from django.db import migrations


def make_roles(apps: Any, schema_editor: Any) -> None:
    groups = apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias)
    for name in ("viewer", "operator", "owner"):
        groups.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("operators", "0001_initial"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
