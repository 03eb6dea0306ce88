from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("operators", "0005_numbers"),
    ]

    operations = [
        migrations.CreateModel(
            name="LoginAttempts",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("count", models.PositiveIntegerField()),
                ("since", models.DateTimeField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
    ]
