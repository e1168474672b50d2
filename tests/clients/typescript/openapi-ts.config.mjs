export default {
  input: "runpod-queue.openapi.json",
  output: { path: "queue", module: { extension: ".js" } },
  plugins: ["@hey-api/client-fetch", "@hey-api/sdk", "@hey-api/typescript"],
};
