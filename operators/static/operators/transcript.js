// Shows answers growing in an open transcript: by a websocket, and by fetching the page again where that says nothing.
document.addEventListener("DOMContentLoaded", () => {
  const transcript = document.querySelector(".op-transcript");
  if (!transcript) return;
  const find = (root, message) => root.querySelector(`[data-message="${CSS.escape(message)}"]`);

  // A link to a message that is on another page of the transcript.
  const [, wanted] = location.hash.match(/^#message-(\d+)$/) ?? [];
  if (wanted && !find(transcript, wanted) && !new URLSearchParams(location.search).has("message")) {
    location.replace(`?message=${wanted}${location.hash}`);
    return;
  }

  // "Ask again" without leaving the page: the second answer comes beside the first.
  transcript.addEventListener("submit", async (event) => {
    const form = event.target.closest(".op-again");
    if (!form) return;
    event.preventDefault();
    const [button, note] = [form.querySelector("button"), form.querySelector("[role=status]")];
    button.disabled = true;
    note.textContent = "…";
    try {
      const page = await (await fetch(form.action, { method: "POST", body: new FormData(form) })).text();
      const second = new DOMParser().parseFromString(page, "text/html").querySelector(".op-two");
      form.parentElement.querySelector(".op-two")?.remove();
      form.after(second);
      note.textContent = "";
    } catch {
      note.textContent = "✕";
    } finally {
      button.disabled = false;
    }
  });

  if (!("live" in transcript.dataset)) return;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const address = `${scheme}://${location.host}/ws/admin/conversation/${transcript.dataset.conversation}`;
  const [POLL, POLL_WHILE_QUIET, LONGEST_PAUSE] = [3000, 15000, 30000];
  let socket, heardAt = Date.now(), pause = 1000, poll = POLL, fetching = false, again = false;

  const atEnd = () => window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 80;
  const follow = (change) => {
    const follows = atEnd();
    change();
    if (follows) window.scrollTo({ top: document.documentElement.scrollHeight });
  };

  const show = ({ message, status, text, calls }) => {
    const article = find(transcript, message);
    // The page also has what comes with a tool call and with an end.
    if (!article || status !== "streaming" || Number(article.dataset.calls) < calls) refresh();
    if (!article || article.dataset.status !== "streaming") return;
    const blocks = article.querySelector(".blocks");
    const pieces = [...blocks.querySelectorAll(":scope > .text")];
    let growing = blocks.querySelector(":scope > .text.growing");
    if (!growing) {
      growing = document.createElement("div");
      growing.className = "text growing op-plain";
      blocks.append(growing);
    }
    // While it grows the text is one; at its end the page has it in pieces, with the tool calls between them.
    follow(() => {
      pieces.filter((piece) => piece !== growing).forEach((piece) => piece.remove());
      growing.textContent = text;
    });
  };

  // What is open stays open, and what somebody is doing is left alone.
  const busy = (article) => article.contains(document.activeElement) || article.querySelector(".op-two");
  const replace = (old, article) => {
    const open = [...old.querySelectorAll("details")].map((each) => each.open);
    [...article.querySelectorAll("details")].forEach((each, place) => { each.open = open[place] ?? false; });
    old.replaceWith(article);
  };
  const version = (article) => `${article.dataset.status} ${article.dataset.calls} ${article.textContent}`;

  const refresh = async () => {
    again = fetching;
    if (fetching) return;
    fetching = true;
    try {
      const page = await (await fetch(location.pathname)).text();
      const fresh = new DOMParser().parseFromString(page, "text/html").querySelector(".op-transcript");
      poll = fresh ? POLL : Math.min(poll * 2, LONGEST_PAUSE);
      follow(() => {
        for (const article of fresh?.querySelectorAll("[data-message]") ?? []) {
          const old = find(transcript, article.dataset.message);
          if (!old) {
            transcript.querySelector(".none")?.remove();
            transcript.append(article);
          } else if (version(old) !== version(article) && !busy(old)) replace(old, article);
        }
      });
    } catch {
      poll = Math.min(poll * 2, LONGEST_PAUSE);
    } finally {
      fetching = false;
      heardAt = Date.now();
      if (again) refresh();
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
  const expectsMuch = () => transcript.querySelector('[data-status="streaming"]') !== null;

  connect();
  setInterval(() => {
    const calm = socket.readyState === WebSocket.OPEN && !expectsMuch();
    const patience = calm ? POLL_WHILE_QUIET : poll;
    if (!document.hidden && Date.now() - heardAt > patience) refresh();
  }, 500);
});
