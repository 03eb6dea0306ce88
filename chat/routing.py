from django.urls import path, re_path

from chat.consumers import ConversationConsumer, nowhere

websocket_urlpatterns = [
    path("ws/admin/conversation/<int:conversation>", ConversationConsumer.as_asgi()),
    re_path("", nowhere),  # type: ignore[arg-type]
]
