// Calls operations through the client made by @hey-api/openapi-ts; exits 1 where an answer is not what it must be.
import { assert, baseUrl, fact, is, key, oddUrl, official } from "./check.js";
import { createClient } from "./queue/client/index.js";
import { client } from "./queue/client.gen.js";
import { getStatus, getStatusSync, health, run, stream } from "./queue/sdk.gen.js";

is(client.getConfig().baseUrl, official);
client.setConfig({ baseUrl, auth: (auth) => (auth.scheme === "bearer" ? key : undefined) });

async function submit(mock_return: unknown) {
  const { data } = await run({ path: { endpoint_id: "jobs" }, body: { input: { mock_return } } });
  assert(data);
  is(data.status, "IN_QUEUE");
  return { endpoint_id: "jobs", job_id: data.id };
}

const job = await submit({ answer: 42 });
is((await getStatusSync({ path: job, query: { wait: 60000 } })).data?.status, "COMPLETED");
is((await getStatus({ path: job })).data?.output, { answer: 42 });

const chunks = await stream({ path: await submit(["a"]) });
assert(chunks.data && !Array.isArray(chunks.data));
is(chunks.data.stream[0]?.output, "a");
fact("stream", "a union, told apart by `Array.isArray`");

const gone = await getStatus({ path: { endpoint_id: "jobs", job_id: "no-such-job" } });
is(gone.response?.status, 404);
assert(gone.error && typeof gone.error === "object");
assert("error" in gone.error ? gone.error.error : gone.error.detail);
fact("errors", "returned as `error`, a union told apart by `\"error\" in`");

const odd = await getStatus({ client: createClient({ baseUrl: oddUrl }), path: job });
is(odd.data?.status as string, "PAUSED");
fact("unknown status", "kept");

const bare = createClient({ baseUrl, auth: (auth) => (auth.type === "apiKey" ? key : undefined) });
is((await health({ client: bare, path: { endpoint_id: "jobs" } })).data?.jobs.failed, 0);
fact("bare key", "`auth`, for the type `apiKey`");

console.log("hey-api: run, status-sync, status, stream, health and an error answered as they must");
