// Talking to the server: questions, writes, and the stream of what happens.

async function call(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server can't be reached. Is it running?");
  }
  if (answer.status === 204) return null;
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.error ?? `The server answered ${answer.status}.`);
  return content;
}

/** get reads JSON. */
export const get = (path) => call(path, { signal: AbortSignal.timeout(15_000) });

/** post writes JSON. */
export const post = (path, body) =>
  call(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(15_000),
  });

/** revision is the number in a cursor: of two, the greater knows more. */
export const revision = (cursor) => Number(cursor.slice(cursor.lastIndexOf("-") + 1));

const kinds = ["message", "change", "delete", "typing", "chat", "reset"];
const silence = 45_000; // ms; three heartbeats of the server
const shortest = 300;
const longest = 5_000;

/**
 * follow calls on.event(kind, data, revision) for everything after a cursor, in
 * order and once each, and on.connected(bool) when the connection comes or goes.
 * It reconnects by itself, for ever.
 */
export function follow(cursor, on) {
  let source, watchdog, retry;
  let wait = shortest;

  const open = () => {
    clearTimeout(retry);
    source?.close();
    source = new EventSource(`page/events?after=${encodeURIComponent(cursor)}`);
    source.onopen = () => {
      wait = shortest;
      on.connected(true);
      alive();
    };
    source.onerror = lost;
    source.addEventListener("alive", alive);
    for (const kind of kinds) {
      source.addEventListener(kind, (event) => {
        alive();
        if (event.lastEventId) cursor = event.lastEventId;
        on.event(kind, JSON.parse(event.data), revision(cursor));
      });
    }
  };

  const alive = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(lost, silence);
  };

  const lost = () => {
    source.close();
    clearTimeout(watchdog);
    clearTimeout(retry);
    on.connected(false);
    retry = setTimeout(open, wait * (0.5 + Math.random()));
    wait = Math.min(wait * 2, longest);
  };

  const resync = () => {
    if (source.readyState === EventSource.CLOSED && document.visibilityState === "visible") open();
  };
  addEventListener("online", resync);
  document.addEventListener("visibilitychange", resync);

  open();
}
