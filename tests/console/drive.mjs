// Drives the console in a real browser: node drive.mjs URL BROWSER AXE PICTURES. The emulator there has the built-in
// handler at "local". It ends with 1 at the first thing that is not as it should be.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [url, executablePath, axe, pictures] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
await page.addInitScript({ path: axe });
const complaints = [];
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
const elsewhere = [];
page.on("request", (request) => request.url().startsWith(url) || request.url().startsWith("data:") || elsewhere.push(request.url()));

const text = (id) => page.locator(`#${id}`).innerText();
const until = (id, part) => page.locator(`#${id}`).getByText(part).first().waitFor();

async function submit(input) {
  await page.getByLabel("Input, as JSON").fill(JSON.stringify(input));
  await page.getByRole("button", { name: "Submit" }).click();
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
  if (pictures) {
    await page.screenshot({ path: `${pictures}/console-${name}.png` });
  }
}

try {
  await page.goto(url);
  await until("connection", "live");
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), "Emulator");

  // A job is submitted, watched, and ends.
  await submit({ mock_return: { answer: 42, api_key: "hunter2" } });
  await until("h-job", "COMPLETED");
  await until("facts", "42");
  assert.ok(!(await text("facts")).includes("hunter2"), "secrets are masked");
  assert.match(await text("steps"), /submit[\s\S]*take by [\s\S]*succeed by /);
  await until("clean", "clean: nothing was lost");

  // One that runs is cancelled, one that fails is retried.
  await submit({ mock_delay: 3600 });
  await until("h-job", "IN_PROGRESS");
  await page.getByRole("button", { name: "Cancel" }).click();
  await until("h-job", "CANCELLED");
  await submit({ mock_error: true });
  await until("h-job", "FAILED");
  await page.getByRole("button", { name: "Retry" }).click();
  await until("steps", "retry");
  await until("h-job", "FAILED");

  // A fault on a button: a worker dies, the job is given to the next.
  await page.getByLabel("Fault").selectOption({ index: 0 });
  await page.getByRole("button", { name: "Inject" }).click();
  await until("faults", "kill");
  await submit({ n: 1 });
  await until("h-job", "COMPLETED");
  await until("steps", "lose");
  await until("faults", "struck 1");
  await page.getByRole("button", { name: "Remove all" }).click();
  await page.waitForFunction(() => document.getElementById("faults").childElementCount === 0);

  // A submit whose answer is lost is said to be one, and counts as ambiguous.
  await page.getByLabel("Fault").selectOption({ index: 2 });
  await page.getByRole("button", { name: "Inject" }).click();
  await until("faults", "drop");
  await submit({ n: 2 });
  await until("said", "a fault has taken the answer");
  await page.keyboard.press("Escape");

  // By keyboard alone: from one job to the next.
  await page.locator("#jobs").focus();
  await page.keyboard.press("Home");
  const first = await text("h-job");
  await page.keyboard.press("ArrowDown");
  assert.notEqual(await text("h-job"), first);
  assert.ok(await page.locator("#jobs").getAttribute("aria-activedescendant"));

  await looks("light", "light", 1280);
  await looks("dark", "dark", 1280);
  await looks("narrow", "light", 420);

  // Ten thousand jobs, of which few rows are in the page.
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.evaluate(async () => {
    const body = JSON.stringify({ input: { mock_return: 1, many: true } });
    for (let at = 0; at < 200; at += 1) {
      await Promise.all(Array.from({ length: 50 }, () => fetch("_emulator/v2/local/run", { method: "POST", body })));
    }
  });
  await page.waitForFunction(() => Number(document.getElementById("shown").textContent.split(" ")[0]) > 10_000);
  assert.ok((await page.locator("#jobs .row").count()) < 60);
  await page.locator("#jobs").focus();
  await page.keyboard.press("End");
  await page.locator('#jobs .row[aria-selected="true"]').waitFor();

  assert.deepEqual(complaints.filter((each) => !each.includes("502")), []);
  assert.deepEqual(elsewhere, []);
  console.log("the console does what it says");
} finally {
  await browser.close();
}
