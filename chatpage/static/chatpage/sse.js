// Server-sent events out of the bytes of a response, however they are cut.

const LINE_END = /\r\n?|\n/g;

/** The lines of a stream, without their ends: LF, CRLF or CR. What follows the last end is no line. */
async function* lines(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder(); // keeps the bytes of a character that is not whole yet
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      let start = 0;
      for (const { 0: end, index } of rest.matchAll(LINE_END)) {
        // Its LF may come with the next bytes.
        if (end === "\r" && index === rest.length - 1 && !done) break;
        yield rest.slice(start, index);
        start = index + end.length;
      }
      rest = rest.slice(start);
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {}); // a listener who left early; after the end it does nothing
  }
}

/** The decoded JSON of each event. Comments and other fields mean nothing to us; an event that is not whole is none. */
export async function* events(stream) {
  let data = [];
  for await (const line of lines(stream)) {
    if (line === "") {
      if (data.length) yield JSON.parse(data.join("\n"));
      data = [];
    } else if (line === "data") data.push("");
    else if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
  }
}
