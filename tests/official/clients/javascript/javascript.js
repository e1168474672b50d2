// Play cases through `runpod-sdk` from npm; see ../python_sync.py. The client prints to the console too: what is ours
// begins with a brace.

import { readFileSync } from "node:fs"
import runpodSdk from "runpod-sdk"

const plan = JSON.parse(readFileSync(0, "utf8"))
const request = { input: { prompt: "Hello, world!" } }

const calls = {
  run: async ({ endpoint }) => (await endpoint.run(request)).id,
  runsync: ({ endpoint }) => endpoint.runSync(request),
  status: ({ endpoint, job }) => endpoint.status(job),
  "status-sync": ({ endpoint, job }) => endpoint.statusSync(job),
  stream: async ({ endpoint, job, chunks }) => {
    for await (const chunk of endpoint.stream(job)) chunks.push(chunk)
    return "end"
  },
  cancel: ({ endpoint, job }) => endpoint.cancel(job),
  health: ({ endpoint }) => endpoint.health(),
  "purge-queue": ({ endpoint }) => endpoint.purgeQueue(),
}

async function play({ name, operation, endpoint, job, key }) {
  const chunks = []
  const outOfTime = new Promise((resolve) => setTimeout(resolve, plan.budget * 1000, { running: true }).unref())
  const called = (async () => {
    try {
      const client = runpodSdk(key, { baseUrl: plan.url })
      const returned = await calls[operation]({ endpoint: client.endpoint(endpoint), job, chunks })
      return { returned: returned ?? null }
    } catch (error) {
      return { raised: error.name, message: error.message }
    }
  })()
  const seen = await Promise.race([called, outOfTime])
  const stream = operation === "stream" ? { chunks } : {}
  console.log(JSON.stringify({ name, seen: { ...stream, ...seen } }))
}

await Promise.all(plan.cases.map(play))
process.exit(0) // some calls never end
