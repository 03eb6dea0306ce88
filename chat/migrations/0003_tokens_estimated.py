from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0002_idempotency_and_stop"),
    ]

    operations = [
        migrations.AddField(
            model_name="message",
            name="tokens_estimated",
            field=models.BooleanField(default=False, help_text="The provider counted no tokens, or not all."),
        ),
    ]
