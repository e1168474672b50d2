export default {
  queue: {
    input: "runpod-queue.openapi.json",
    output: { target: "queue.ts", client: "fetch", baseUrl: { getBaseUrlFromSpecification: true } },
  },
};
