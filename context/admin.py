from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from context.models import Chunk, Document, EmbeddingIndex


class ChunkInline(admin.TabularInline[Chunk, Document]):
    model = Chunk
    fields = ["position", "text"]
    readonly_fields = ["position", "text"]
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False


@admin.register(Document)
class DocumentAdmin(admin.ModelAdmin[Document]):
    """Documents to read and to delete; adding them here comes with files and addresses."""

    list_display = ["title", "source", "status", "added_by", "created_at"]
    list_filter = ["status", "created_at"]
    search_fields = ["title", "source", "text"]
    fields = ["title", "source", "status", "added_by", "created_at", "text"]
    readonly_fields = ["title", "source", "status", "added_by", "created_at", "text"]
    inlines = [ChunkInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        return super().get_queryset(request).defer("text")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False


@admin.register(EmbeddingIndex)
class EmbeddingIndexAdmin(admin.ModelAdmin[EmbeddingIndex]):
    """Which vectors there are, and what hinders them; nothing here is to be changed by hand."""

    list_display = ["model", "backend", "dimensions", "state", "problem"]

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False
