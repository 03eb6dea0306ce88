"""Conversations as they are stored."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from chat.agent.prompt import DEFAULT_SYSTEM_PROMPT
from chat.content import Block, Image, Text, deserialise


class Conversation(models.Model):
    """What one person and the agent said to each other.

    An e-mail has one current conversation; somebody without one has a conversation for each call, which no API shows.
    """

    email = models.CharField("e-mail", max_length=254, blank=True, db_index=True, help_text="Empty: an anonymous call.")
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    last_activity_at = models.DateTimeField(auto_now_add=True, db_default=Now(), db_index=True)
    last_sequence = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        ordering = ["-last_activity_at"]
        constraints = [
            models.UniqueConstraint(fields=["email"], condition=~Q(email=""), name="one_conversation_per_email"),
        ]

    def __str__(self) -> str:
        return self.email or f"anonymous call {self.pk}"


class Prompt(models.Model):
    """One version of how the agent is told to behave; the newest row is in force."""

    system = models.TextField("system prompt")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Version {self.pk}"

    @classmethod
    def in_force(cls) -> "Prompt":
        """The newest version; the first one is made from this project's own words."""
        return cls.objects.first() or cls.objects.create(system=DEFAULT_SYSTEM_PROMPT)


class Message(models.Model):
    """One side's part of a turn.

    ``blocks`` holds a user's content blocks in the contract's shape, images by their attachment's position; an
    assistant's answer is its ``text`` alone. The database knows the defaults too: for statements that name few columns,
    and for a process of the version before, which knows nothing of a new one.
    """

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"

    class Status(models.TextChoices):
        STREAMING = "streaming"
        COMPLETE = "complete"
        STOPPED = "stopped"
        INTERRUPTED = "interrupted"
        FAILED = "failed"

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    sequence = models.PositiveIntegerField(help_text="Place in the conversation, from 1, in the order of arrival.")
    role = models.CharField(max_length=10, choices=Role)
    status = models.CharField(max_length=12, choices=Status, default=Status.COMPLETE, db_default=Status.COMPLETE)
    text = models.TextField(blank=True, default="", db_default="")
    blocks = models.JSONField(null=True, blank=True)
    date = models.DateTimeField(help_text="The sender's clock.")
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    heartbeat_at = models.DateTimeField(null=True, editable=False)
    stop_requested = models.BooleanField(default=False, db_default=False, editable=False)
    idempotency_key = models.CharField(max_length=255, blank=True, default="", db_default="", editable=False)
    request_digest = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)

    prompt = models.ForeignKey(Prompt, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    provider = models.CharField(max_length=100, blank=True, default="", db_default="")
    model = models.CharField(max_length=200, blank=True, default="", db_default="")
    finish_reason = models.CharField(max_length=50, blank=True, default="", db_default="")
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    tokens_estimated = models.BooleanField(
        default=False, db_default=False, help_text="The provider counted no tokens, or not all."
    )
    first_token_ms = models.PositiveIntegerField("time to first token (ms)", null=True, blank=True)
    total_ms = models.PositiveIntegerField("time to the end (ms)", null=True, blank=True)
    passages = models.JSONField(
        default=list, db_default=[], blank=True, help_text="The context passages this answer was given."
    )
    error = models.TextField(
        blank=True, default="", db_default="", help_text="What went wrong, in the provider's own words; operators only."
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


class Attachment(models.Model):
    """An image of a message, apart from its row so that reading a conversation does not read its images."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attachments")
    position = models.PositiveSmallIntegerField(help_text="Index of its block in the message.")
    name = models.CharField(max_length=1000, blank=True)
    base64 = models.TextField(help_text="The very string that came, plain or as a data URL.")

    class Meta:
        ordering = ["message", "position"]
        constraints = [
            models.UniqueConstraint(fields=["message", "position"], name="attachment_position"),
        ]

    def __str__(self) -> str:
        return self.name or f"image {self.pk}"


class ToolCall(models.Model):
    """A tool that the model used while answering."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="tool_calls")
    call_id = models.CharField(max_length=200)
    name = models.CharField(max_length=200)
    arguments = models.TextField(help_text="JSON, as the model wrote it.")
    result = models.TextField(blank=True)
    failed = models.BooleanField(default=False)
    duration_ms = models.PositiveIntegerField("time (ms)", default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name
