// A newcomer's ten minutes: a job is submitted and watched, its worker killed by a button, the verdict read.
import assert from "node:assert/strict";

export async function newcomer({ page, text, until, press, submit, choice }) {
  // The worker's own test input, as it stands in its file: what is secret in it is not shown.
  await choice("Endpoint").selectOption("words");
  await choice("Test input").selectOption({ label: "test_input.json" });
  const written = await page.getByLabel("Input, as JSON").inputValue();
  assert.ok(written.includes("one two three") && !written.includes("hunter2"), written);
  await press("Submit");
  await until("h-job", "COMPLETED");
  await until("facts", "ONE TWO THREE");
  await page.getByRole("region", { name: "Stream" }).getByText("ONE TWO THREE").waitFor();
  assert.ok(!(await text("facts")).includes("hunter2"), "secrets are masked");
  const words = ["ONE", "TWO", "THREE"].map((word, n) => `chunk ${n + 1}: ${word}`).join("[\\s\\S]*");
  assert.match(await text("steps"), new RegExp(`queued[\\s\\S]*taken by [\\s\\S]*${words}[\\s\\S]*completed on `));
  await until("clean", "clean: nothing lost, nothing doubled");
  await page.getByRole("heading", { name: "Stream, 3 chunks" }).waitFor();

  // Somebody's program asks for it, with the key.
  const id = await text("job-id");
  await page.evaluate((job) => fetch(`v2/words/status/${job}`, { headers: { authorization: "test" } }), id);
  await until("steps", "delivered");
  assert.match(await text("verdict"), /Results delivered\s+1/);
  await until("log", "3 words to say");

  // One that takes its time: its text comes word by word, until its worker dies.
  await submit("words", { prompt: `a long text ${"and on ".repeat(200)}`, pace: 0.05 });
  await until("facts", "A LONG TEXT AND");
  const taken = (await text("steps")).match(/taken by (\S+)/)[1];
  await press("Kill its worker");
  await until("steps", `lost by ${taken}, queued again`);
  await page.waitForFunction(() => document.querySelectorAll("#steps li").length >= 4);
  assert.match(await text("steps"), /chunk 1: A[\s\S]*lost by /, "what it had sent stands before its loss");
  await until("h-job", "IN_PROGRESS");
  await until("facts", "A LONG TEXT AND");
  await until("clean", "not clean: 1 job run too often");
  assert.match(await text("verdict"), /Run too often\s+1/);
  assert.match(await text("verdict"), /Fault: kill\s+1/);
  await page.getByLabel("Search").nth(1).fill(taken);
  await until("log", "as it was asked to");
  await page.getByLabel("Search").nth(1).fill("");
  await press("Cancel");
  await until("h-job", "CANCELLED");
  assert.match(await text("run-text"), /2 jobs in .* workers, busy \d+ %/);

  // The bar of the first job in the picture leads to it.
  const picture = page.getByRole("img", { name: "The run" });
  const { width } = await picture.boundingBox();
  const first = await page.evaluate(() => document.querySelector("#jobs").getAttribute("aria-rowcount"));
  assert.equal(first, "3");
  await page.locator("#jobs").focus();
  await page.keyboard.press("Home");
  const chosen = await text("job-id");
  for (let left = 113; left < width && (await text("job-id")) === chosen; left += 2) {
    await picture.click({ position: { x: left, y: 62 } });
  }
  assert.notEqual(await text("job-id"), chosen, "a bar of another job was clicked");
}
