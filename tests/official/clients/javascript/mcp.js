// What an assistant does with the tools of `@runpod/mcp-server`, over stdio; prints one JSON object of what came of each.

import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"

const url = process.env.RUNPOD_ENDPOINT_BASE_URL
const env = {
  ...process.env,
  RUNPOD_API_KEY: "test",
  RUNPOD_SERVERLESS_API_URL: url,
  RUNPOD_API_BASE_URL: url.replace(/\/v2$/, ""),
}
const command = "node_modules/@runpod/mcp-server/dist/stdio.mjs"
const client = new Client({ name: "journeys", version: "1" })
await client.connect(new StdioClientTransport({ command: process.execPath, args: [command], env }))

const call = async (name, args) => {
  const { isError, content } = await client.callTool({ name, arguments: args })
  const text = content.map((part) => part.text ?? "").join("")
  if (isError) return { isError, text }
  return JSON.parse(text)
}
const run = (endpointId, input) => call("run-endpoint", { endpointId, input })

const made = {}
made.runsync = await call("runsync-endpoint", { endpointId: "mock", input: { mock_return: "done" }, wait: 5000 })
const waited = await run("mock", { mock_return: "done" })
made.status = await call("get-job-status", { endpointId: "mock", jobId: waited.id, wait: 10000 })
const streamed = await run("streamed", { mock_return: ["a", "b", "c"], mock_delay: 0.1 })
made.stream = await call("stream-job", { endpointId: "streamed", jobId: streamed.id })
const queued = await run("idle", { n: 1 })
made.queued = await call("get-job-status", { endpointId: "idle", jobId: queued.id })
made.cancel = await call("cancel-job", { endpointId: "idle", jobId: queued.id })
const failed = await run("again", { n: 1 })
made.failed = await call("get-job-status", { endpointId: "again", jobId: failed.id, wait: 10000 })
made.retry = await call("retry-job", { endpointId: "again", jobId: failed.id })
made.retried = await call("get-job-status", { endpointId: "again", jobId: failed.id, wait: 10000 })
await run("idle", { n: 2 })
made.health = await call("endpoint-health", { endpointId: "idle" })
made.purge = await call("purge-endpoint-queue", { endpointId: "idle" })
made.unknown = await call("get-job-status", { endpointId: "mock", jobId: "no-such-job" })
await client.close()
console.log(JSON.stringify(made))
