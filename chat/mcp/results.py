"""What a tool server gave, as text for a model."""

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp_types import CallToolResult


def text_of(result: "CallToolResult") -> str:
    """The texts; everything else by its name alone. Structured content only where there is nothing else."""
    parts = [_text(part) for part in result.content]
    if not any(parts) and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "\n\n".join(filter(None, parts))


def _text(part: Any) -> str:
    match part.type:
        case "text":
            return str(part.text)
        case "image" | "audio":
            return f"[{part.type} {part.mime_type}, {_size(part.data)}]"
        case "resource_link":
            return f"[{part.name}: {part.uri}]"
        case "resource":
            resource = part.resource
            if hasattr(resource, "text"):
                return str(resource.text)
            return f"[{resource.uri}, {resource.mime_type or 'binary'}, {_size(resource.blob)}]"
        case kind:
            return f"[{kind}]"


def _size(base64: str) -> str:
    return f"{len(base64) * 3 // 4 // 1024 + 1} KB"
