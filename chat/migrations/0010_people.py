"""A row for each person, with sums that triggers keep: right whoever writes messages, and how."""

import django.db.models.functions.datetime
from django.db import migrations, models

COUNT_ANEW = """
CREATE FUNCTION chat_count_people(emails text[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO chat_person AS person
        (email, created_at, last_activity_at, messages, prompt_tokens, completion_tokens, cost)
    SELECT email, coalesce(min(message.created_at), now()), coalesce(max(message.created_at), now()), count(message.id),
        coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0), coalesce(sum(cost), 0)
    FROM chat_conversation conversation LEFT JOIN chat_message message ON message.conversation_id = conversation.id
    WHERE email <> '' AND (emails IS NULL OR email = ANY (emails))
    GROUP BY email ORDER BY email
    ON CONFLICT (email) DO UPDATE SET messages = excluded.messages, prompt_tokens = excluded.prompt_tokens,
        completion_tokens = excluded.completion_tokens, cost = excluded.cost,
        created_at = least(person.created_at, excluded.created_at),
        last_activity_at = greatest(person.last_activity_at, excluded.last_activity_at);
    UPDATE chat_person SET messages = 0, prompt_tokens = 0, completion_tokens = 0, cost = 0
    WHERE email = ANY (emails) AND NOT EXISTS (SELECT FROM chat_conversation WHERE email = chat_person.email);
$$;
"""

CAME = """
CREATE FUNCTION chat_messages_came() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chat_person AS person
        (email, created_at, last_activity_at, messages, prompt_tokens, completion_tokens, cost)
    SELECT email, min(came.created_at), max(came.created_at), count(*),
        coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0), coalesce(sum(cost), 0)
    FROM came JOIN chat_conversation conversation ON conversation.id = came.conversation_id
    WHERE email <> ''
    GROUP BY email ORDER BY email
    ON CONFLICT (email) DO UPDATE SET messages = person.messages + excluded.messages,
        prompt_tokens = person.prompt_tokens + excluded.prompt_tokens,
        completion_tokens = person.completion_tokens + excluded.completion_tokens,
        cost = person.cost + excluded.cost,
        last_activity_at = greatest(person.last_activity_at, excluded.last_activity_at);
    RETURN NULL;
END $$;
CREATE TRIGGER chat_messages_inserted AFTER INSERT ON chat_message
    REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION chat_messages_came();
"""

# A question locks its conversation before its person, so a deletion has to do that as well.
WENT = """
CREATE FUNCTION chat_messages_went() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM chat_conversation WHERE id IN (SELECT conversation_id FROM went) ORDER BY id FOR UPDATE;
    UPDATE chat_person person SET messages = person.messages - gone.messages,
        prompt_tokens = person.prompt_tokens - gone.prompt_tokens,
        completion_tokens = person.completion_tokens - gone.completion_tokens, cost = person.cost - gone.cost
    FROM (
        SELECT email, count(*) AS messages, coalesce(sum(prompt_tokens), 0) AS prompt_tokens,
            coalesce(sum(completion_tokens), 0) AS completion_tokens, coalesce(sum(cost), 0) AS cost
        FROM went JOIN chat_conversation conversation ON conversation.id = went.conversation_id
        GROUP BY email
    ) gone
    WHERE person.email = gone.email;
    RETURN NULL;
END $$;
CREATE TRIGGER chat_messages_deleted AFTER DELETE ON chat_message
    REFERENCING OLD TABLE AS went FOR EACH STATEMENT EXECUTE FUNCTION chat_messages_went();
"""

# By row, because a trigger that is told the columns takes no table of rows; it runs once for an answer, at its end.
CHANGED = """
CREATE FUNCTION chat_message_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE chat_person SET
        prompt_tokens = prompt_tokens + coalesce(NEW.prompt_tokens, 0) - coalesce(OLD.prompt_tokens, 0),
        completion_tokens = completion_tokens + coalesce(NEW.completion_tokens, 0) - coalesce(OLD.completion_tokens, 0),
        cost = cost + coalesce(NEW.cost, 0) - coalesce(OLD.cost, 0)
    WHERE email = (SELECT email FROM chat_conversation WHERE id = NEW.conversation_id);
    RETURN NULL;
END $$;
CREATE TRIGGER chat_message_changed AFTER UPDATE OF prompt_tokens, completion_tokens, cost ON chat_message FOR EACH ROW
    WHEN ((OLD.prompt_tokens, OLD.completion_tokens, OLD.cost)
        IS DISTINCT FROM (NEW.prompt_tokens, NEW.completion_tokens, NEW.cost))
    EXECUTE FUNCTION chat_message_changed();
"""

# What nobody does in a day's work, a hand at the database might.
MOVED = """
CREATE FUNCTION chat_messages_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM chat_count_people(array_agg(DISTINCT email)) FROM chat_conversation
    WHERE id IN (OLD.conversation_id, NEW.conversation_id);
    RETURN NULL;
END $$;
CREATE TRIGGER chat_messages_moved AFTER UPDATE OF conversation_id ON chat_message FOR EACH ROW
    WHEN (OLD.conversation_id <> NEW.conversation_id) EXECUTE FUNCTION chat_messages_moved();

CREATE FUNCTION chat_conversation_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM chat_count_people(ARRAY[OLD.email, NEW.email]::text[]);
    ELSIF EXISTS (SELECT FROM chat_message WHERE conversation_id = OLD.id) THEN
        PERFORM chat_count_people(ARRAY[OLD.email]::text[]);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER chat_conversation_renamed AFTER UPDATE OF email ON chat_conversation FOR EACH ROW
    WHEN (OLD.email <> NEW.email) EXECUTE FUNCTION chat_conversation_changed();
CREATE TRIGGER chat_conversation_deleted AFTER DELETE ON chat_conversation FOR EACH ROW
    EXECUTE FUNCTION chat_conversation_changed();
"""

UNDO = """
DROP TRIGGER chat_messages_inserted ON chat_message;
DROP TRIGGER chat_messages_deleted ON chat_message;
DROP TRIGGER chat_message_changed ON chat_message;
DROP TRIGGER chat_messages_moved ON chat_message;
DROP TRIGGER chat_conversation_renamed ON chat_conversation;
DROP TRIGGER chat_conversation_deleted ON chat_conversation;
DROP FUNCTION chat_messages_came, chat_messages_went, chat_message_changed, chat_messages_moved,
    chat_conversation_changed, chat_count_people;
"""


class Migration(migrations.Migration):
    dependencies = [("chat", "0009_what_operators_do_with_answers")]

    operations = [
        migrations.CreateModel(
            name="Person",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("email", models.CharField(max_length=254, unique=True, verbose_name="e-mail")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="first activity"
                    ),
                ),
                (
                    "last_activity_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        db_index=True,
                        verbose_name="last activity",
                    ),
                ),
                (
                    "messages",
                    models.PositiveIntegerField(db_default=0, default=0, help_text="Questions and answers."),
                ),
                ("prompt_tokens", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("completion_tokens", models.PositiveBigIntegerField(db_default=0, default=0)),
                (
                    "cost",
                    models.DecimalField(
                        db_default=0,
                        decimal_places=9,
                        default=0,
                        help_text="Of answers with a known price.",
                        max_digits=16,
                        verbose_name="cost (USD)",
                    ),
                ),
            ],
            options={"verbose_name_plural": "people", "ordering": ["-last_activity_at", "-pk"]},
        ),
        migrations.RunSQL(COUNT_ANEW + CAME + WENT + CHANGED + MOVED, UNDO),
        migrations.RunSQL("SELECT chat_count_people(NULL)", migrations.RunSQL.noop),
    ]
