// Drives the console in a real browser: node drive.mjs URL BROWSER AXE PICTURES. The emulator there has worker.py at
// "words" and the built-in handler at "local", two workers each. It ends with 1 at the first thing that is not as it
// should be.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { chromium } from "playwright-core";
import { newcomer } from "./newcomer.mjs";
import { strangers } from "./stranger.mjs";

const [url, executablePath, axe, pictures] = process.argv.slice(2);
const rebound = "rebound.example"; // a name of somebody else, which has been made to lead here
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", `--host-resolver-rules=MAP ${rebound} 127.0.0.1`] });
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
page.setDefaultTimeout(60_000);
await page.addInitScript({ path: axe });
const complaints = [];
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
const elsewhere = [];
page.on("request", (request) => request.url().startsWith(url) || request.url().startsWith("data:") || elsewhere.push(request.url()));

const text = (id) => page.locator(`#${id}`).innerText();
const until = (id, part) => page.locator(`#${id}`).getByText(part).first().waitFor();
const output = (part) => page.getByRole("region", { name: "Output" }).getByText(part).waitFor();
const choice = (name) => page.getByRole("combobox", { name, exact: true });
const press = (name) => page.getByRole("button", { name, exact: true }).click();

async function submit(endpoint, input) {
  await choice("Endpoint").selectOption(endpoint);
  await page.getByLabel("Input, as JSON").fill(JSON.stringify(input));
  await press("Submit");
}

async function inject(fault) {
  await choice("Fault").selectOption({ label: fault });
  await press("Inject");
  await until("faults", fault);
}

async function looks(name, colorScheme, width) {
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width, height: 900 });
  const found = await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run();
    return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0].html.slice(0, 120)}`);
  });
  assert.deepEqual(found, [], `axe, ${name}`);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} fits`);
  await page.evaluate(() => scrollTo(0, 0));
  if (name !== "empty") {
    await page.mouse.move(0, 0);
    await page.screenshot({ path: `${pictures}/console-${name}.png` });
  }
}

// A run that is worth a picture: jobs of all lengths, one that fails, and one whose worker dies.
async function someRun() {
  await page.evaluate(async () => {
    await fetch("_emulator/reset", { method: "POST" });
    const texts = Array.from({ length: 24 }, (_, n) => `${"the quick brown fox jumps over a lazy dog ".repeat(1 + (n % 4))}${n}`);
    for (const prompt of texts) {
      await fetch("_emulator/v2/words/run", { method: "POST", body: JSON.stringify({ input: { prompt } }) });
    }
    await fetch("_emulator/v2/words/run", { method: "POST", body: JSON.stringify({ input: { prompt: 7 } }) });
  });
  await until("run-text", /^25 jobs in .*: 0 queued, 0 running/);
  await inject("the next worker dies before its result");
  await submit("words", { prompt: "once upon a time there was a worker that died as it had almost told its story" });
  await until("h-job", "COMPLETED");
  await until("clean", "not clean: 1 job run too often");
  await press("Remove all");
}

try {
  await page.goto(url);
  await until("connection", "live");
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), "Emulator");
  await until("clean", "clean, as nothing has happened");
  await until("no-jobs", "No jobs yet.");
  await until("run-text", "Nothing has run yet.");
  await looks("empty", "light", 1280);

  await newcomer({ page, text, until, press, submit, choice });

  // One that waits is cancelled, one that fails is retried.
  await submit("local", { mock_delay: 3600 });
  await until("h-job", "IN_PROGRESS");
  await press("Cancel");
  await until("h-job", "CANCELLED");
  await submit("local", { mock_error: true });
  await until("h-job", "FAILED");
  await press("Retry");
  await until("steps", "queued again by /retry");
  await until("h-job", "FAILED");

  // Time stands still, is moved on by hand, and goes on faster.
  await press("Pause");
  await until("clock", "paused");
  await submit("local", { mock_delay: 60, mock_return: "after a minute" });
  await until("h-job", "IN_PROGRESS");
  await page.getByLabel("Seconds to step by").fill("59");
  await press("Step");
  await until("steps", "taken");
  assert.match(await text("h-job"), /IN_PROGRESS/);
  await page.getByLabel("Seconds to step by").fill("1");
  await press("Step");
  await until("h-job", "COMPLETED");
  await output("after a minute");
  await press("Go on");
  await choice("Speed").selectOption("60");
  await until("clock", "60×");
  await submit("local", { mock_delay: 120, mock_return: "after two minutes" });
  await until("h-job", "COMPLETED");
  await output("after two minutes");
  await choice("Speed").selectOption("1");

  // A server that does not take its webhook at first is called again, ten seconds later.
  const answers = [503, 200];
  const receiver = createServer((request, response) => response.writeHead(answers.shift()).end()).unref();
  await new Promise((listens) => receiver.listen(0, "127.0.0.1", listens));
  const called = await page.evaluate(async (webhook) => {
    const body = JSON.stringify({ input: { called: true }, webhook });
    return (await (await fetch("_emulator/v2/local/run", { method: "POST", body })).json()).id;
  }, `http://127.0.0.1:${receiver.address().port}/`);
  await page.locator("#jobs .row").getByText(called).click();
  await until("steps", "its webhook was not taken: 503");
  await page.getByLabel("Seconds to step by").fill("10");
  await press("Step");
  await until("steps", "delivered to its webhook, try 2");

  // Faults on a button: a worker dies, an answer is lost.
  await inject("the next worker that takes a job dies");
  await submit("local", { n: 1 });
  await until("h-job", "COMPLETED");
  await until("steps", /lost by .*, queued again/);
  await until("faults", "struck 1");
  await press("Remove all");
  await page.waitForFunction(() => document.getElementById("faults").childElementCount === 0);
  await inject("the answer to the next submit is lost");
  await submit("local", { n: 2 });
  await until("said", "a fault has taken the answer");
  await page.keyboard.press("Escape");

  // By keyboard alone: from one job to the next; and the ledger of the one that is chosen.
  await page.locator("#jobs").focus();
  await page.keyboard.press("Home");
  const first = await text("job-id");
  await page.keyboard.press("ArrowDown");
  const second = await text("job-id");
  assert.notEqual(second, first);
  assert.ok(await page.locator("#jobs").getAttribute("aria-activedescendant"));
  await page.getByLabel("the chosen job only").check();
  const rows = await page.locator("#ledger .row:not(.head)").allInnerTexts();
  assert.ok(rows.length >= 3 && rows.every((row) => row.includes(second)), "the ledger is of the chosen job");
  await page.getByLabel("the chosen job only").uncheck();
  await choice("Kind").selectOption("fault");
  await until("ledger-shown", "of");
  assert.match((await page.locator("#ledger .row:not(.head)").allInnerTexts()).join(), /drop[\s\S]*kill/);
  await choice("Kind").selectOption("");

  await strangers({ context: await browser.newContext(), url, rebound, folder: import.meta.dirname });

  await someRun();
  await looks("light", "light", 1440);
  await looks("dark", "dark", 1440);
  await looks("narrow", "light", 420);

  // Ten thousand jobs, of which few rows are in the page.
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.evaluate(async () => {
    globalThis.worst = 0;
    globalThis.frames = [];
    let last = performance.now();
    const beat = (now) => {
      globalThis.frames.push(now - last);
      last = now;
      requestAnimationFrame(beat);
    };
    requestAnimationFrame(beat);
    const longest = (list) => list.getEntries().forEach((each) => (globalThis.worst = Math.max(globalThis.worst, each.duration)));
    new PerformanceObserver(longest).observe({ type: "longtask" });
    const body = JSON.stringify({ input: { mock_return: 1, many: true } });
    for (let at = 0; at < 200; at += 1) {
      await Promise.all(Array.from({ length: 50 }, () => fetch("_emulator/v2/local/run", { method: "POST", body })));
    }
  });
  await page.waitForFunction(() => Number(document.getElementById("shown").textContent.replace(/\D/g, "")) > 10_000);
  // Through all of it, a screen a frame.
  await page.evaluate(async () => {
    const list = document.getElementById("jobs");
    for (list.scrollTop = 0; list.scrollTop + list.clientHeight + 1 < list.scrollHeight; list.scrollTop += 20 * list.clientHeight) {
      await new Promise(requestAnimationFrame);
    }
  });
  assert.ok((await page.locator("#jobs .row").count()) < 80);
  const elements = await page.evaluate(() => document.getElementsByTagName("*").length);
  assert.ok(elements < 1500, `${elements} elements in the page`);
  const frames = (await page.evaluate(() => globalThis.frames)).sort((one, other) => one - other);
  const [half, most] = [0.5, 0.99].map((share) => Math.round(frames[Math.floor(share * (frames.length - 1))]));
  await page.locator("#jobs").focus();
  await page.keyboard.press("End");
  await page.locator('#jobs .row[aria-selected="true"]').waitFor();
  await page.getByLabel("Search").first().fill("no such job");
  await until("no-jobs", "No job fits.");

  const worst = await page.evaluate(() => globalThis.worst);
  console.log(`10,000 jobs: ${elements} elements; ${frames.length} frames, half of them within ${half} ms, 99 % within ${most} ms; busy for ${worst} ms at most`);
  assert.ok(half <= 50, "it does not stutter");
  assert.deepEqual(complaints.filter((each) => !each.includes("502")), []);
  assert.deepEqual(elsewhere, []);
  console.log("the console does what it says");
} finally {
  await browser.close();
}
