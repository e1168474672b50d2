// A service that lets a Runpod endpoint do its work: POST /shout {"prompt": "hello"}. Node alone, no packages.
// Which service it calls is said by its environment, so the same file runs against Runpod and against the emulator.
import { createServer } from "node:http";

const {
  RUNPOD_ENDPOINT_BASE_URL: base = "https://api.runpod.ai/v2",
  RUNPOD_API_KEY: key,
  RUNPOD_ENDPOINT_ID: endpoint,
  HOST: host = "127.0.0.1",
  PORT: port = "3000",
} = process.env;
const PENDING = new Set(["IN_QUEUE", "IN_PROGRESS"]);
const PATIENCE = 90_000; // ms that one request may be held

async function ask(path, body) {
  const answer = await fetch(`${base}/${endpoint}/${path}`, {
    method: body ? "POST" : "GET",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE + 10_000),
  });
  if (!answer.ok) {
    throw new Error(`${path.split("/")[0]}: HTTP ${answer.status}`);
  }
  return answer.json();
}

// Submit once, then wait: a submit that is repeated may run twice, a question may be asked again.
async function run(input) {
  let state = await ask("run", { input });
  while (PENDING.has(state.status)) {
    state = await ask(`status-sync/${state.id}?wait=${PATIENCE}`);
  }
  if (state.status !== "COMPLETED") {
    throw new Error(`job ${state.id}: ${state.status}`);
  }
  return state.output;
}

async function bodyOf(request) {
  let text = "";
  for await (const part of request) {
    text += part;
  }
  return JSON.parse(text);
}

const server = createServer(async (request, response) => {
  const reply = (status, body) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  if (request.method !== "POST" || request.url !== "/shout") {
    reply(404, { error: "POST /shout" });
    return;
  }
  let input;
  try {
    input = await bodyOf(request);
  } catch {
    reply(400, { error: "the body is not JSON" });
    return;
  }
  try {
    reply(200, { output: await run(input) });
  } catch (error) {
    reply(502, { error: error.message });
  }
});
server.listen(Number(port), host, () => console.log(JSON.stringify({ port: server.address().port })));
process.once("SIGTERM", () => server.close(() => process.exit(0)));
