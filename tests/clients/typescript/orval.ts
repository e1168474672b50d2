// Calls operations through the client made by orval; exits 1 where an answer is not what it must be.
import { assert, baseUrl, fact, is, key, oddUrl, official } from "./check.js";
import { getStatus, getStatusSync, health, run, stream } from "./queue.js";

// The address is written into each function, so it is changed on the way out.
let place = baseUrl;
const send = globalThis.fetch;
globalThis.fetch = (url, options) => {
  assert(typeof url === "string" && url.startsWith(`${official}/`), `not an address of the service: ${url}`);
  return send(place + url.slice(official.length), options);
};
const options = { headers: { authorization: `Bearer ${key}` } };

async function submit(mock_return: unknown) {
  const { data, status } = await run("jobs", { input: { mock_return } }, options);
  assert(status === 200);
  is(data.status, "IN_QUEUE");
  return data.id;
}

const id = await submit({ answer: 42 });
const waited = await getStatusSync("jobs", id, { wait: 60000 }, options);
assert(waited.status === 200);
is(waited.data.status, "COMPLETED");
const read = await getStatus("jobs", id, undefined, options);
assert(read.status === 200);
is(read.data.output, { answer: 42 });

const chunks = await stream("jobs", await submit(["a"]), undefined, options);
assert(chunks.status === 200 && !Array.isArray(chunks.data));
is(chunks.data.stream[0]?.output, "a");
fact("stream", "a union, told apart by `Array.isArray`");

const gone = await getStatus("jobs", "no-such-job", undefined, options);
assert(gone.status === 404 && typeof gone.data === "object");
assert("error" in gone.data ? gone.data.error : gone.data.detail);
fact("errors", "`data` by `status`, a union told apart by `\"error\" in`");

place = oddUrl;
const odd = await getStatus("jobs", id);
assert(odd.status === 200);
is(odd.data.status as string, "PAUSED");
fact("unknown status", "kept");

place = baseUrl;
is((await health("jobs", { headers: { authorization: key } })).status, 200);
fact("bare key", "as a header");

console.log("orval: run, status-sync, status, stream, health and an error answered as they must");
