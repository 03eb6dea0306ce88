"""Conversations as they are stored."""

from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ccagent.environment import MAX_PASSAGES
from chat.content import Block, Image, Text, deserialise
from chat.money.models import DECIMAL_PLACES, MAX_DIGITS


class Conversation(models.Model):
    """What one person and the agent said to each other.

    An e-mail has one current conversation, and those that were archived when the person started over; somebody without
    an e-mail has a conversation for each call. No API shows those two.
    """

    email = models.CharField(
        _("e-mail"), max_length=254, blank=True, db_index=True, help_text=_("Empty: an anonymous call.")
    )
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    last_activity_at = models.DateTimeField(auto_now_add=True, db_default=Now(), db_index=True)
    last_sequence = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    archived_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("When the person started over. Empty: the current one.")
    )
    summarising_since = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-last_activity_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["email"],
                condition=~Q(email="") & Q(archived_at=None),
                name="one_current_conversation_per_email",
            ),
        ]

    def __str__(self) -> str:
        return self.email or gettext("anonymous call {}").format(self.pk)

    @property
    def is_current(self) -> bool:
        return bool(self.email) and self.archived_at is None


class Person(models.Model):
    """Somebody who talked to the agent, with the sums over all their messages, archived ones too.

    Triggers keep the rows (migration 0010), whatever writes messages. A row stays when its messages are deleted.
    """

    email = models.CharField(_("e-mail"), max_length=254, unique=True)
    created_at = models.DateTimeField(_("first activity"), db_default=Now())
    last_activity_at = models.DateTimeField(_("last activity"), db_default=Now(), db_index=True)
    messages = models.PositiveIntegerField(default=0, db_default=0, help_text=_("Questions and answers."))
    prompt_tokens = models.PositiveBigIntegerField(default=0, db_default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0, db_default=0)
    cost = models.DecimalField(
        _("cost (USD)"),
        max_digits=MAX_DIGITS,
        decimal_places=DECIMAL_PLACES,
        default=0,
        db_default=0,
        help_text=_("Of answers with a known price."),
    )
    paused_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("Since when an operator answers instead of the agent. Empty: the agent answers."),
    )
    paused_by = models.CharField(
        max_length=150,
        blank=True,
        default="",
        db_default="",
        help_text=_("User name of the operator who paused the agent."),
    )

    class Meta:
        ordering = ["-last_activity_at", "-pk"]
        verbose_name_plural = _("people")
        default_permissions = ["view"]
        permissions = [("take_over", "Can answer somebody instead of the agent")]

    def __str__(self) -> str:
        return self.email

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class PromptContent(models.Model):
    """What an operator writes and chooses; what is left empty is as the environment says."""

    system = models.TextField(
        _("system prompt"),
        max_length=100_000,
        help_text=_("Filled in for each question: {{ agent_name }}, {{ today }}, {{ user_email }}."),
    )
    model = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        validators=[RegexValidator(r"^\S+$", _("A model's name has no blanks."))],
        help_text=_("Of the provider in PROVIDER_NAME. Empty: PROVIDER_MODEL."),
    )
    temperature = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(2)],
        help_text=_("From 0 (sober) to 2 (wild); a model that takes none goes without. Empty: PROVIDER_TEMPERATURE."),
    )
    max_tokens = models.PositiveIntegerField(
        _("maximum tokens"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_(
            "Longest answer of one model call; some models count their reasoning in. Empty: PROVIDER_MAX_TOKENS."
        ),
    )
    retrieval = models.BooleanField(
        null=True,
        blank=True,
        help_text=_("Whether the agent looks into its documents: for each question, and by the tool search_context."),
    )
    passages = models.PositiveSmallIntegerField(
        _("number of passages"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_PASSAGES)],
        help_text=format_lazy(
            _("Most passages of documents that a question brings along, up to {most}. Empty: PASSAGES."),
            most=MAX_PASSAGES,
        ),
    )

    class Meta:
        abstract = True

    @property
    def content(self) -> dict[str, Any]:
        """The values of these fields by their names."""
        return {field.name: getattr(self, field.name) for field in PromptContent._meta.local_fields}


class Prompt(PromptContent):
    """A published version of how the agent is told to behave; the newest is in force, none is ever changed."""

    created_at = models.DateTimeField(_("published at"), auto_now_add=True)
    published_by = models.CharField(
        max_length=150,
        blank=True,
        default="",
        db_default="",
        help_text=_("The operator's user name then. Empty: made by the agent."),
    )
    restored = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("The earlier version that this one went back to."),
    )

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("prompt version")

    def __str__(self) -> str:
        return gettext("Version {}").format(self.pk)


class PromptDraft(PromptContent):
    """What an operator is writing; nobody else sees it, and no answer is given under it."""

    operator = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, editable=False)
    begun_from = models.ForeignKey(Prompt, on_delete=models.PROTECT, editable=False, related_name="+")
    saved_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return gettext("Draft from {}").format(str(self.begun_from).lower())


UNANSWERED = (~Q(gap="") | Q(flagged_at__isnull=False)) & Q(settled_at=None)
"""Of answers: an operator should look at their questions."""


class Message(models.Model):
    """One side's part of a turn.

    ``blocks`` holds a user's content blocks in the contract's shape, images by their attachment's position; an
    assistant's answer is its ``text`` alone. The database knows the defaults too: for statements that name few columns,
    and for a process of the version before, which knows nothing of a new one.
    """

    class Role(models.TextChoices):
        USER = "user", _("User")
        ASSISTANT = "assistant", _("Assistant")

    class Status(models.TextChoices):
        STREAMING = "streaming", _("Streaming")
        COMPLETE = "complete", _("Complete")
        STOPPED = "stopped", _("Stopped")
        INTERRUPTED = "interrupted", _("Interrupted")
        FAILED = "failed", _("Failed")

    class Gap(models.TextChoices):
        NOTHING_FOUND = "nothing", _("nothing fitting was found")
        UNKNOWN = "unknown", _("the agent did not know")
        FAILED = "failed", _("the answer failed")

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    sequence = models.PositiveIntegerField(help_text=_("Place in the conversation, from 1, in the order of arrival."))
    role = models.CharField(max_length=10, choices=Role)
    status = models.CharField(max_length=12, choices=Status, default=Status.COMPLETE, db_default=Status.COMPLETE)
    text = models.TextField(blank=True, default="", db_default="")
    blocks = models.JSONField(null=True, blank=True)
    date = models.DateTimeField(help_text=_("The sender's clock."))
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    heartbeat_at = models.DateTimeField(null=True, editable=False)
    stop_requested = models.BooleanField(default=False, db_default=False, editable=False)
    idempotency_key = models.CharField(max_length=255, blank=True, default="", db_default="", editable=False)
    # A digest without a key: this question failed, and was asked again.
    request_digest = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    provider = models.CharField(max_length=100, blank=True, default="", db_default="")
    model = models.CharField(max_length=200, blank=True, default="", db_default="")
    finish_reason = models.CharField(max_length=50, blank=True, default="", db_default="")
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    tokens_estimated = models.BooleanField(
        default=False, db_default=False, help_text=_("The provider counted no tokens, or not all.")
    )
    first_token_ms = models.PositiveIntegerField(_("time to first token (ms)"), null=True, blank=True)
    total_ms = models.PositiveIntegerField(_("time to the end (ms)"), null=True, blank=True)
    passages = models.JSONField(
        default=list, db_default=[], blank=True, help_text=_("The context passages this answer was given.")
    )
    cost = models.DecimalField(
        _("cost (USD)"),
        max_digits=MAX_DIGITS,
        decimal_places=DECIMAL_PLACES,
        null=True,
        blank=True,
        help_text=_("Of the model calls, at the prices of that day. Empty: a price is not known."),
    )
    error = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text=_("What went wrong, in the provider's own words; operators only."),
    )
    error_kind = models.CharField(
        _("kind of error"),
        max_length=20,
        blank=True,
        default="",
        db_default="",
        help_text=_("Why the answer failed or broke off, in a word."),
    )
    author = models.CharField(
        max_length=150,
        blank=True,
        default="",
        db_default="",
        help_text=_("User name of the operator who wrote this answer. Empty: the agent did."),
    )
    coverage = models.FloatField(
        null=True,
        blank=True,
        help_text=_("Best coverage of what was found, 0 to 1. Empty: documents were not looked into."),
    )
    similarity = models.FloatField(
        null=True, blank=True, help_text=_("Best similarity of meaning of what was found. Empty: not compared.")
    )
    gap = models.CharField(
        max_length=12,
        choices=Gap,
        blank=True,
        default="",
        db_default="",
        help_text=_("Why this answer may not have helped."),
    )
    flagged_at = models.DateTimeField(null=True, blank=True, help_text=_("When an operator said that it did not help."))
    settled_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When an operator was done with the question, as one that was not answered.")
    )

    class Meta:
        ordering = ["conversation", "sequence"]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "sequence"], name="message_sequence"),
            models.UniqueConstraint(
                fields=["conversation", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="message_idempotency_key",
            ),
        ]
        indexes = [
            models.Index(fields=["conversation"], condition=Q(status="streaming"), name="streaming_messages"),
            models.Index(fields=["-created_at", "-id"], name="newest_messages"),
            models.Index(fields=["model", "-created_at"], condition=~Q(model=""), name="messages_by_model"),
            models.Index(fields=["status", "-created_at"], condition=~Q(status="complete"), name="messages_by_status"),
            models.Index(fields=["-created_at"], condition=~Q(error=""), name="messages_with_errors"),
            models.Index(fields=["-created_at"], condition=Q(flagged_at__isnull=False), name="flagged_messages"),
            models.Index(fields=["created_at"], condition=UNANSWERED, name="unanswered_messages"),
        ]
        permissions = [
            ("flag_message", "Can flag answers, and settle questions that were not answered"),
            ("ask_again", "Can ask a question again to see another answer"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.sequence}"

    @property
    def content(self) -> list[Block]:
        """The blocks, images without their data; empty for an answer that has no text yet."""
        if self.blocks is not None:
            return [deserialise(block) for block in self.blocks]
        return [Text(self.text)] if self.text else []

    @property
    def has_images(self) -> bool:
        return any(isinstance(block, Image) for block in self.content)


class MessageWords(models.Model):
    """What the operators' search finds a message by; triggers keep it (migration 0012), once the message has ended.

    Apart from the message, whose row is written every second while its answer grows.
    """

    message = models.OneToOneField(
        Message, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="words"
    )
    words = SearchVectorField(help_text=_("Its words as written, and their English and German stems."))

    class Meta:
        default_permissions = ()
        indexes = [GinIndex(fields=["words"], name="message_words", gin_pending_list_limit=512)]

    def __str__(self) -> str:
        return f"Words of message {self.pk}"


class Attachment(models.Model):
    """An image of a message, apart from its row so that reading a conversation does not read its images."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attachments")
    position = models.PositiveSmallIntegerField(help_text=_("Index of its block in the message."))
    name = models.CharField(max_length=1000, blank=True)
    base64 = models.TextField(help_text=_("The very string that came, plain or as a data URL."))

    class Meta:
        ordering = ["message", "position"]
        constraints = [
            models.UniqueConstraint(fields=["message", "position"], name="attachment_position"),
        ]

    def __str__(self) -> str:
        return self.name or gettext("image {}").format(self.pk)


class ToolCall(models.Model):
    """A tool that the model used while answering.

    ``position`` counts an answer's calls from 0, over all models that were asked; none in rows of an earlier version.
    """

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="tool_calls")
    position = models.PositiveIntegerField(null=True, editable=False)
    step = models.PositiveSmallIntegerField(default=1, db_default=1, help_text=_("The model call that asked for it."))
    text_offset = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text=_("Characters of the answer before it.")
    )
    call_id = models.CharField(max_length=200)
    name = models.CharField(max_length=200)
    arguments = models.TextField(help_text=_("JSON, as the model wrote it."))
    result = models.TextField(blank=True)
    failed = models.BooleanField(default=False)
    duration_ms = models.PositiveIntegerField(_("time (ms)"), default=0)
    error = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text=_("What went wrong, in the program's own words; operators only."),
    )
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["message", "position"], name="tool_call_position")]

    def __str__(self) -> str:
        return self.name


class Summary(models.Model):
    """What was said up to a message, in the model's words; the newest of a conversation holds the older ones."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="summaries")
    through = models.PositiveIntegerField(help_text=_("Sequence of the last message that it covers."))
    text = models.TextField()
    provider = models.CharField(max_length=100, blank=True)
    model = models.CharField(max_length=200, blank=True)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    tokens_estimated = models.BooleanField(default=False, help_text=_("The provider counted no tokens."))
    cost = models.DecimalField(
        _("cost (USD)"),
        max_digits=MAX_DIGITS,
        decimal_places=DECIMAL_PLACES,
        null=True,
        blank=True,
        help_text=_("At the prices of that day. Empty: the price is not known."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["conversation", "-through"]
        verbose_name_plural = _("summaries")
        constraints = [
            models.UniqueConstraint(fields=["conversation", "through"], name="one_summary_through_a_message"),
        ]

    def __str__(self) -> str:
        return gettext("Summary through message {}").format(self.through)


MAX_FACT_CHARS = 200


class Fact(models.Model):
    """Something short that the model was to remember of a person; it outlives conversations."""

    email = models.CharField(_("e-mail"), max_length=254)
    text = models.CharField(max_length=MAX_FACT_CHARS)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["email", "pk"]
        verbose_name = _("remembered fact")
        constraints = [
            models.UniqueConstraint(fields=["email", "text"], name="a_fact_once_per_person"),
        ]

    def __str__(self) -> str:
        return self.text


# At the end, because a model of another module of the app is known only once somebody imports it.
from chat.mcp.models import ServerTool, ToolServer  # noqa: E402, F401
