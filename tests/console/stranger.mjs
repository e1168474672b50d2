// A page of another origin, one that a file holds, and one whose name has been made to lead to the emulator: none of
// them reads anything of it, or changes anything.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { writeFile } from "node:fs/promises";

// What a page can try. Each answer says what came of it, in a word; "read" is one too many.
async function tries(root) {
  const told = {};
  const note = async (name, work) => {
    told[name] = await work().catch(() => "failed");
  };
  const within = (ms, begin) => new Promise((resolve) => (begin(resolve), setTimeout(() => resolve("nothing"), ms)));
  const plain = { method: "POST", headers: { "content-type": "text/plain" } };
  for (const path of ["_emulator/state", "_emulator/events", "_emulator/ledger", "v2/local/health", "_emulator/jobs/x"]) {
    await note(`GET ${path}`, async () => ((await fetch(`${root}/${path}`)).ok ? "read" : "refused"));
    await note(`GET ${path}, unread`, async () => (await fetch(`${root}/${path}`, { mode: "no-cors" })).type);
  }
  for (const path of ["reset", "faults", "v2/local/run", "clock/advance", "workers/local", "tests/words/0"]) {
    const body = path === "faults" ? '{"kind": "drop"}' : '{"input": {"stranger": 1}, "seconds": 9999}';
    await note(`POST ${path}`, async () => ((await fetch(`${root}/_emulator/${path}`, { ...plain, body })).ok ? "read" : "refused"));
    await note(`POST ${path}, unread`, async () => (await fetch(`${root}/_emulator/${path}`, { ...plain, body, mode: "no-cors" })).type);
    await note(`beacon ${path}`, async () => String(navigator.sendBeacon(`${root}/_emulator/${path}`, body)));
  }
  await note("with the key", async () => {
    const answer = await fetch(`${root}/v2/local/run`, { method: "POST", headers: { authorization: "test" }, body: '{"input": {"stranger": 1}}' });
    return answer.ok ? "read" : "refused";
  });
  await note("DELETE", async () => ((await fetch(`${root}/_emulator/faults`, { method: "DELETE" })).ok ? "read" : "refused"));
  await note("EventSource", () =>
    within(1000, (resolve) => {
      const source = new EventSource(`${root}/_emulator/events`);
      source.onerror = () => (source.close(), resolve("failed"));
      for (const kind of ["rows", "health", "verdict"]) {
        source.addEventListener(kind, () => resolve("read"));
      }
    }),
  );
  await note("WebSocket", () =>
    within(1000, (resolve) => {
      const socket = new WebSocket(`${root.replace("http", "ws")}/_emulator/events`);
      socket.onopen = () => resolve("read");
      socket.onerror = () => resolve("failed");
    }),
  );
  await note("form", () =>
    within(500, () => {
      const form = Object.assign(document.createElement("form"), { action: `${root}/_emulator/reset`, method: "POST", target: "into" });
      document.body.append(Object.assign(document.createElement("iframe"), { name: "into" }), form);
      form.submit();
    }),
  );
  await note("frame", () =>
    within(500, (resolve) => {
      const frame = Object.assign(document.createElement("iframe"), { src: `${root}/` });
      frame.onload = () => {
        try {
          resolve(frame.contentDocument?.getElementById("clean") ? "read" : "empty");
        } catch {
          resolve("closed");
        }
      };
      document.body.append(frame);
    }),
  );
  await note("script", () =>
    within(500, (resolve) => {
      const script = Object.assign(document.createElement("script"), { src: `${root}/_emulator/state` });
      script.onload = () => resolve("loaded");
      script.onerror = () => resolve("failed");
      document.body.append(script);
    }),
  );
  return told;
}

// rebound: a name of somebody else that the browser was told to take for this machine.
export async function strangers({ context, url, rebound, folder }) {
  const root = url.replace(/\/$/, "");
  const { port } = new URL(root);
  const ask = async (path) => JSON.stringify(await (await fetch(`${root}/_emulator/${path}`)).json());
  const submitted = async () => JSON.parse(await ask("verdict")).submitted;
  const before = [await submitted(), await ask("faults")];
  const other = createServer((_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<body>")).unref();
  await new Promise((listens) => other.listen(0, "127.0.0.1", listens));
  await writeFile(`${folder}/stranger.html`, "<body>");
  const places = {
    "another port": [`http://127.0.0.1:${other.address().port}/`, root],
    "another name": [`http://localhost:${other.address().port}/`, root],
    "a file": [`file://${folder}/stranger.html`, root],
    "a name that leads here": [`http://${rebound}:${other.address().port}/`, `http://${rebound}:${port}`],
  };
  for (const [name, [place, target]] of Object.entries(places)) {
    const page = await context.newPage();
    await page.goto(place);
    const told = await page.evaluate(tries, target);
    for (const [tried, came] of Object.entries(told)) {
      assert.ok(!["read", "loaded"].includes(came), `${name}: ${tried}: ${came}`);
    }
    await page.close();
  }
  // On the rebound name and its own port a page is of the same origin as what it asks.
  const page = await context.newPage();
  const answer = await page.goto(`http://${rebound}:${port}/`);
  assert.equal(answer.status(), 403);
  const told = await page.evaluate(tries, `http://${rebound}:${port}`);
  for (const [tried, came] of Object.entries(told)) {
    assert.ok(!["read", "loaded"].includes(came), `a rebound page: ${tried}: ${came}`);
  }
  await page.close();
  assert.deepEqual([await submitted(), await ask("faults")], before, "nothing has changed");
}
