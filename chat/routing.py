from django.urls import path

from chat.consumers import ConversationConsumer

websocket_urlpatterns = [path("ws/admin/conversation/<int:conversation>", ConversationConsumer.as_asgi())]
