// Shows answers growing in an open transcript; reloads once for a message that the page does not have yet.
document.addEventListener("DOMContentLoaded", () => {
  const transcript = document.querySelector(".transcript[data-conversation]");
  if (!transcript) return;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/ws/admin/conversation/${transcript.dataset.conversation}`);
  socket.onmessage = ({ data }) => {
    const { message, status, text } = JSON.parse(data);
    const article = transcript.querySelector(`[data-message="${message}"]`);
    if (!article) return location.reload();
    article.querySelector(".status").textContent = status;
    let shown = article.querySelector(".text");
    if (!shown) {
      shown = document.createElement("div");
      shown.className = "text";
      article.querySelector(".blocks").append(shown);
    }
    shown.textContent = text;
  };
});
