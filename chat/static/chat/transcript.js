// Shows answers growing in an open transcript: by a websocket, and by fetching the page again where that says nothing.
document.addEventListener("DOMContentLoaded", () => {
  const transcript = document.querySelector(".transcript[data-conversation]");
  if (!transcript) return;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const address = `${scheme}://${location.host}/ws/admin/conversation/${transcript.dataset.conversation}`;
  const [POLL, POLL_WHILE_QUIET, LONGEST_PAUSE] = [3000, 15000, 30000];
  let socket, heardAt = Date.now(), pause = 1000, poll = POLL, fetching = false;

  const find = (root, message) => root.querySelector(`[data-message="${CSS.escape(message)}"]`);

  const show = ({ message, status, text }) => {
    const article = find(transcript, message);
    // The page also has what comes with an end: tool calls, and what went wrong.
    if (!article || status !== "streaming") refresh();
    if (!article) return;
    article.querySelector(".status").textContent = status;
    // While it grows the text is one; at its end the page has it in pieces, with the tool calls between them.
    let [shown, ...others] = article.querySelectorAll(".text");
    others.forEach((other) => other.remove());
    if (!shown) {
      shown = document.createElement("div");
      shown.className = "text";
      article.querySelector(".blocks").append(shown);
    }
    shown.textContent = text;
  };

  const refresh = async () => {
    if (fetching) return;
    fetching = true;
    try {
      const page = await (await fetch(location.href)).text();
      const fresh = new DOMParser().parseFromString(page, "text/html").querySelector(".transcript[data-conversation]");
      poll = fresh ? POLL : Math.min(poll * 2, LONGEST_PAUSE);
      for (const article of fresh?.querySelectorAll("[data-message]") ?? []) {
        const old = find(transcript, article.dataset.message);
        if (!old) {
          transcript.querySelector(".none")?.remove();
          transcript.append(article);
        } else if (old.textContent !== article.textContent) old.replaceWith(article);
      }
    } catch {
      poll = Math.min(poll * 2, LONGEST_PAUSE);
    } finally {
      fetching = false;
      heardAt = Date.now();
    }
  };

  const connect = () => {
    socket = new WebSocket(address);
    socket.onopen = () => {
      if (pause > 1000) refresh();
      pause = 1000;
    };
    socket.onmessage = ({ data }) => {
      heardAt = Date.now();
      show(JSON.parse(data));
    };
    socket.onclose = () => {
      setTimeout(connect, pause * (0.5 + Math.random() / 2));
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    };
  };

  // While an answer grows something comes every second, unless the way of it is broken behind the open socket.
  const expectsMuch = () => [...transcript.querySelectorAll(".status")].some((each) => each.textContent === "streaming");

  connect();
  setInterval(() => {
    const calm = socket.readyState === WebSocket.OPEN && !expectsMuch();
    const patience = calm ? POLL_WHILE_QUIET : poll;
    if (!document.hidden && Date.now() - heardAt > patience) refresh();
  }, 500);
});
