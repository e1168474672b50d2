// The emulator as this page reaches it: requests, and what it tells by itself.

const KEPT = "emulator-key"; // in this tab only, and only where the emulator asked for it

function headers() {
  const key = sessionStorage.getItem(KEPT);
  return key ? { authorization: key } : {};
}

export function useKey(key) {
  sessionStorage.setItem(KEPT, key);
}

export class Refused extends Error {
  constructor(status, said) {
    super(said);
    this.status = status;
  }
}

export async function ask(method, path, body) {
  const answer = await fetch(`_emulator/${path}`, {
    method,
    headers: headers(),
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    said = { error: text || `HTTP ${answer.status}` };
  }
  if (!answer.ok) {
    throw new Refused(answer.status, said.error ?? `HTTP ${answer.status}`);
  }
  return said;
}

// Call tell(kind, value) for each event, until the connection ends. By fetch, as EventSource sends no key.
export async function listen(opened, tell) {
  const answer = await fetch("_emulator/events", { headers: headers() });
  if (!answer.ok) {
    throw new Refused(answer.status, `HTTP ${answer.status}`);
  }
  opened();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) {
      return;
    }
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const [kind, data] = event.split("\n");
      tell(kind.slice("event: ".length), JSON.parse(data.slice("data: ".length)));
    }
  }
}
