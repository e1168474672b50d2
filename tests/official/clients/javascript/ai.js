// What users of @runpod/ai-sdk-provider do with a worker of vLLM; prints one JSON object of what came of each.
import { createRunpod } from "@runpod/ai-sdk-provider";
import { generateText, jsonSchema, streamText, tool } from "ai";

const [service, endpoint, model] = process.argv.slice(2);
const runpod = createRunpod({ apiKey: "test", baseURL: `${service}/${endpoint}/openai/v1` });
const maxRetries = 0;
const shout = tool({ description: "shout", inputSchema: jsonSchema({ type: "object", properties: {} }) });

async function failure(change) {
  try {
    await generateText({ model: runpod(model), prompt: "hello", maxRetries, ...change });
    return "no error";
  } catch (error) {
    return { status: error.statusCode, message: error.message };
  }
}

async function streamed(prompt) {
  const result = streamText({ model: runpod(model), prompt, maxRetries });
  const parts = [];
  for await (const part of result.textStream) parts.push(part);
  return parts;
}

async function aborted() {
  const controller = new AbortController();
  const result = streamText({ model: runpod(model), prompt: "one for-ever", maxRetries, abortSignal: controller.signal });
  for await (const part of result.textStream) {
    controller.abort();
    return part;
  }
  return null;
}

const wrong = createRunpod({ apiKey: "wrong", baseURL: `${service}/${endpoint}/openai/v1` });
console.log(
  JSON.stringify({
    text: (await generateText({ model: runpod(model), prompt: "hello", maxRetries })).text,
    streamed: await streamed("one two three"),
    tools: (await generateText({ model: runpod(model), prompt: "hi", tools: { shout }, maxRetries })).toolCalls.map(
      (call) => [call.toolName, call.input],
    ),
    no_model: await failure({ model: runpod("other") }),
    crash: await failure({ prompt: "crash" }),
    wrong_key: await failure({ model: wrong(model) }),
    aborted: await aborted(),
  }),
);
process.exit(0);
