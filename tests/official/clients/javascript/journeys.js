// What users of `runpod-sdk` from npm do, as its documentation shows it; prints one JSON object of what came of each.
// The client prints to the console too: what is ours begins with a brace.

import runpodSdk from "runpod-sdk"

const endpoint = (id) => runpodSdk("test", { baseUrl: process.env.RUNPOD_ENDPOINT_BASE_URL }).endpoint(id)
const until = async (id, job, status) => {
  while ((await endpoint(id).status(job)).status !== status) await new Promise((resolve) => setTimeout(resolve, 50))
}

const journeys = {
  // The sample of the documentation sends a timeout beside the input.
  async run_with_more_keys() {
    const { id } = await endpoint("mock").run({
      input: { mock_return: "done" },
      timeout: 5,
      policy: { executionTimeout: 60000, lowPriority: true, ttl: 60000 },
      webhookV2: "https://example.com",
    })
    await until("mock", id, "COMPLETED")
    return (await endpoint("mock").status(id)).output
  },
  async run_sync_longer_than_its_wait() {
    const { status, output, completed, succeeded } = await endpoint("slow").runSync(
      { input: { mock_return: "slow", mock_delay: 1.5 } },
      1000,
    )
    return { status, output, completed, succeeded }
  },
  async stream_while_it_runs() {
    const { id } = await endpoint("streamed_js").run({ input: { mock_return: ["a", "b", "c"], mock_delay: 0.4 } })
    const chunks = []
    for await (const chunk of endpoint("streamed_js").stream(id)) chunks.push(chunk.output)
    return chunks
  },
  async cancel_while_it_runs() {
    const { id } = await endpoint("mock").run({ input: { mock_delay: 60 } })
    await until("mock", id, "IN_PROGRESS")
    const { status } = await endpoint("mock").cancel(id)
    return [status, (await endpoint("mock").status(id)).status]
  },
  async status_sync_of_a_running_job() {
    const { id } = await endpoint("mock").run({ input: { mock_return: "done", mock_delay: 0.5 } })
    const { status, output, delayTime, executionTime } = await endpoint("mock").statusSync(id)
    return { status, output, whole: [delayTime, executionTime].every(Number.isInteger) }
  },
}

const made = await Promise.all(Object.entries(journeys).map(async ([name, journey]) => [name, await journey()]))
console.log(JSON.stringify(Object.fromEntries(made)))
