// What all drivers share: where the emulator is, how to compare, and how to tell run.py what was seen.
import assert from "node:assert/strict";

export { assert };
export const baseUrl = process.env["RUNPOD_ENDPOINT_BASE_URL"]!;
export const key = process.env["RUNPOD_API_KEY"]!;
/** Answers every request with a job whose status the document does not name. */
export const oddUrl = process.env["RUNPOD_ODD_BASE_URL"]!;
export const official = "https://api.runpod.ai/v2";

// Unlike assert.equal it is checked by the compiler, too: a status that the document does not name does not compile.
export function is<T>(got: T, wanted: NoInfer<T>): void {
  assert.deepEqual(got, wanted);
}

/** Tell what was seen, for the table. */
export function fact(about: "unknown status" | "stream" | "errors" | "bare key", seen: string): void {
  console.log(`fact: ${about}: ${seen}`);
}
