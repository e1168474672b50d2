// Calls every operation through types made by openapi-typescript; exits 1 where an answer is not what it must be.
import createClient from "openapi-fetch";
import { assert, baseUrl, fact, is, key, oddUrl } from "./check.js";
import type { components, paths } from "./schema.js";

type Job = components["schemas"]["Job"];

const client = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${key}` } });
const stranger = createClient<paths>({ baseUrl, headers: { authorization: "Bearer wrong" } });

async function submit(endpoint_id: string, input: Record<string, unknown>) {
  const { data } = await client.POST("/{endpoint_id}/run", { params: { path: { endpoint_id } }, body: { input } });
  assert(data);
  is(data.status, "IN_QUEUE");
  return { endpoint_id, job_id: data.id };
}

async function finished(path: { endpoint_id: string; job_id: string }): Promise<Job> {
  for (;;) {
    const { data } = await client.GET("/{endpoint_id}/status-sync/{job_id}", {
      params: { path, query: { wait: 5000 } },
    });
    assert(data);
    if (data.status !== "IN_QUEUE" && data.status !== "IN_PROGRESS") return data;
  }
}

// run, status, status-sync
const job = await submit("jobs", { mock_return: { answer: 42 } });
is((await finished(job)).output, { answer: 42 });
const again = await client.GET("/{endpoint_id}/status/{job_id}", { params: { path: job } });
is(again.data?.status, "COMPLETED");

// runsync
const sync = await client.POST("/{endpoint_id}/runsync", {
  params: { path: { endpoint_id: "jobs" }, query: { wait: 60000 } },
  body: { input: { mock_return: "now" }, policy: { executionTimeout: 5000, lowPriority: false } },
});
is(sync.data?.output, "now");

// stream, until the job is final and no chunk is left
const yielding = await submit("jobs", { mock_return: ["a", "b", "c"] });
const chunks: unknown[] = [];
for (let more = true; more; ) {
  const { data } = await client.GET("/{endpoint_id}/stream/{job_id}", { params: { path: yielding } });
  assert(data && !Array.isArray(data));
  chunks.push(...data.stream.map((chunk) => chunk.output));
  more = data.status !== "COMPLETED" || data.stream.length > 0;
}
is(chunks, ["a", "b", "c"]);
fact("stream", "a union, told apart by `Array.isArray`");

// retry
const failing = await submit("jobs", { mock_error: true });
is((await finished(failing)).status, "FAILED");
const retried = await client.POST("/{endpoint_id}/retry/{job_id}", { params: { path: failing } });
is(retried.data?.id, failing.job_id);
is((await finished(failing)).status, "FAILED");

// cancel and purge, where no worker takes the jobs
const waiting = await submit("idle", {});
const cancelled = await client.POST("/{endpoint_id}/cancel/{job_id}", { params: { path: waiting } });
is(cancelled.data?.status, "CANCELLED");
await submit("idle", {});
const purged = await client.POST("/{endpoint_id}/purge-queue", { params: { path: { endpoint_id: "idle" } } });
is(purged.data, { removed: 1, status: "completed" });

// health
const health = await client.GET("/{endpoint_id}/health", { params: { path: { endpoint_id: "jobs" } } });
assert(health.data);
is(health.data.jobs.completed, 3);
is(health.data.workers.idle + health.data.workers.running, 1);

// errors, which are told apart by `error`
const gone = await client.GET("/{endpoint_id}/status/{job_id}", {
  params: { path: { endpoint_id: "jobs", job_id: "no-such-job" } },
});
is(gone.response.status, 404);
assert(gone.error && typeof gone.error === "object");
assert("error" in gone.error ? gone.error.error : gone.error.detail);
const refused = await stranger.GET("/{endpoint_id}/health", { params: { path: { endpoint_id: "jobs" } } });
is(refused.response.status, 401);
fact("errors", "returned as `error`, a union told apart by `\"error\" in`");

// an unknown status, and the bare key
const odd = createClient<paths>({ baseUrl: oddUrl });
const unknown = await odd.GET("/{endpoint_id}/status/{job_id}", { params: { path: job } });
is(unknown.data?.status as string, "PAUSED");
fact("unknown status", "kept");
const bare = createClient<paths>({ baseUrl, headers: { authorization: key } });
is((await bare.GET("/{endpoint_id}/health", { params: { path: { endpoint_id: "jobs" } } })).response.status, 200);
fact("bare key", "as a header");

// What must not compile: the types say no.
// @ts-expect-error input is no text
void (() => client.POST("/{endpoint_id}/run", { params: { path: { endpoint_id: "jobs" } }, body: { input: "text" } }));
// @ts-expect-error no such status
const status: Job["status"] = "DONE";
void status;

console.log("openapi-fetch: all operations answered as they must");
