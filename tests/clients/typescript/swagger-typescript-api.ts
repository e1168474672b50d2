// Calls operations through the client made by swagger-typescript-api; exits 1 where an answer is not what it must be.
import { assert, baseUrl, fact, is, key, oddUrl, official } from "./check.js";
import { Api, type Error as Refusal, type HttpResponse } from "./queue.js";

is(new Api().baseUrl, official);
const client = (place: string, authorization: string) =>
  new Api({ baseUrl: place, baseApiParams: { headers: { authorization } } }).endpointId;
const api = client(baseUrl, `Bearer ${key}`);

async function submit(mock_return: unknown) {
  const { data } = await api.run("jobs", { input: { mock_return } });
  is(data.status as string, "IN_QUEUE");
  return data.id;
}

const id = await submit({ answer: 42 });
is((await api.getStatusSync("jobs", id, { wait: 60000 })).data.status as string, "COMPLETED");
is((await api.getStatus("jobs", id)).data.output, { answer: 42 });

const chunks = (await api.stream("jobs", await submit(["a"]))).data;
assert(!Array.isArray(chunks));
is(chunks.stream[0]?.output, "a");
fact("stream", "a union, told apart by `Array.isArray`");

const gone = await api.getStatus("jobs", "no-such-job").catch((thrown: HttpResponse<unknown, Refusal>) => thrown);
is(gone.status, 404);
const refusal = gone.error as Refusal;
assert("error" in refusal ? refusal.error : refusal.detail);
fact("errors", "thrown, with `error`, a union told apart by `\"error\" in`");

is((await client(oddUrl, "").getStatus("jobs", id)).data.status as string, "PAUSED");
fact("unknown status", "kept");
is((await client(baseUrl, key).health("jobs")).status, 200);
fact("bare key", "as a header");

console.log("swagger-typescript-api: run, status-sync, status, stream, health and an error answered as they must");
