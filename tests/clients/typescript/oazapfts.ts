// Calls operations through the client made by oazapfts; exits 1 where an answer is not what it must be.
import { assert, baseUrl, fact, is, key, oddUrl, official } from "./check.js";
import { defaults, getStatus, getStatusSync, health, run, stream } from "./queue.js";

is(defaults.baseUrl, official);
defaults.baseUrl = baseUrl;
defaults.headers = { authorization: `Bearer ${key}` };

async function submit(mock_return: unknown) {
  const { data, status } = await run("jobs", { input: { mock_return } });
  assert(status === 200);
  is(data.status as string, "IN_QUEUE");
  return data.id;
}

const id = await submit({ answer: 42 });
const waited = await getStatusSync("jobs", id, { wait: 60000 });
assert(waited.status === 200);
is(waited.data.status as string, "COMPLETED");
const read = await getStatus("jobs", id);
assert(read.status === 200);
is(read.data.output, { answer: 42 });

const chunks = await stream("jobs", await submit(["a"]));
assert(chunks.status === 200 && !Array.isArray(chunks.data));
is(chunks.data.stream[0]?.output, "a");
fact("stream", "a union, told apart by `Array.isArray`");

const gone = await getStatus("jobs", "no-such-job");
assert(gone.status === 404);
assert("error" in gone.data ? gone.data.error : gone.data.detail);
fact("errors", "`data` by `status`, a union told apart by `\"error\" in`");

const odd = await getStatus("jobs", id, undefined, { baseUrl: oddUrl });
assert(odd.status === 200);
is(odd.data.status as string, "PAUSED");
fact("unknown status", "kept");
is((await health("jobs", { headers: { authorization: key } })).status, 200);
fact("bare key", "as a header");

console.log("oazapfts: run, status-sync, status, stream, health and an error answered as they must");
