"""The index of the operators' search in messages, and indexes for what they filter by."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models

# Whatever stands between the parts of "order-12345" or "ann@example.com" becomes a blank, so that each part is found.
# Only the words as written have places, for phrases; 50,000 characters stay below what a tsvector may hold.
WORDS = """
CREATE FUNCTION chat_words(said text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('simple'::regconfig, plain) || strip(to_tsvector('english'::regconfig, plain))
        || strip(to_tsvector('german'::regconfig, plain))
    FROM (SELECT translate(left(said, 50000), '-/._:@+&=~%#\\''', '              ') AS plain) said
$$;
"""

TRIGGERS = """
ALTER TABLE chat_messagewords ADD FOREIGN KEY (message_id) REFERENCES chat_message ON DELETE CASCADE;

CREATE FUNCTION chat_messages_said() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chat_messagewords (message_id, words)
    SELECT id, chat_words(text) FROM came WHERE status <> 'streaming' AND text <> '';
    RETURN NULL;
END $$;
CREATE TRIGGER chat_messages_said AFTER INSERT ON chat_message
    REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION chat_messages_said();

CREATE FUNCTION chat_message_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chat_messagewords (message_id, words) VALUES (NEW.id, chat_words(NEW.text))
    ON CONFLICT (message_id) DO UPDATE SET words = excluded.words;
    RETURN NULL;
END $$;
CREATE TRIGGER chat_message_ended AFTER UPDATE OF status, text ON chat_message FOR EACH ROW
    WHEN (NEW.status <> 'streaming' AND (NEW.text, NEW.status) IS DISTINCT FROM (OLD.text, OLD.status))
    EXECUTE FUNCTION chat_message_ended();
"""

EARLIER = """
INSERT INTO chat_messagewords (message_id, words)
SELECT id, chat_words(text) FROM chat_message WHERE status <> 'streaming' AND text <> '';
"""

UNDO = """
DROP TRIGGER chat_messages_said ON chat_message;
DROP TRIGGER chat_message_ended ON chat_message;
DROP FUNCTION chat_messages_said, chat_message_ended, chat_words;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0011_pausing"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="person",
            options={
                "default_permissions": ["view"],
                "ordering": ["-last_activity_at", "-pk"],
                "verbose_name_plural": "people",
            },
        ),
        migrations.CreateModel(
            name="MessageWords",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="words",
                        serialize=False,
                        to="chat.message",
                    ),
                ),
                (
                    "words",
                    django.contrib.postgres.search.SearchVectorField(
                        help_text="Its words as written, and their English and German stems."
                    ),
                ),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunSQL(WORDS + EARLIER, migrations.RunSQL.noop),
        migrations.RunSQL(TRIGGERS, UNDO),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["-created_at", "-id"], name="newest_messages"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("model", ""), _negated=True),
                fields=["model", "-created_at"],
                name="messages_by_model",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("status", "complete"), _negated=True),
                fields=["status", "-created_at"],
                name="messages_by_status",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("error", ""), _negated=True), fields=["-created_at"], name="messages_with_errors"
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("flagged_at__isnull", False)), fields=["-created_at"], name="flagged_messages"
            ),
        ),
        migrations.AddIndex(
            model_name="messagewords",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["words"], gin_pending_list_limit=512, name="message_words"
            ),
        ),
    ]
