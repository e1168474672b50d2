// What is to be seen and done beside the jobs: endpoints, submits, faults, time, verdict.

import { at, attempt, count, make, onSubmit } from "./elements.js";
import { ask } from "./service.js";

const MASK = "•••"; // as the emulator masks secrets

// Submitting.

let tests = {}; // by endpoint

export async function showTests() {
  tests = await ask("GET", "tests");
  const found = tests[at("target").value]?.tests ?? [];
  at("tested").hidden = !found.length;
  const names = ["an input of your own", ...found.map((test) => test.name)];
  at("sample").replaceChildren(...names.map((name, n) => make("option", name, { value: n ? String(n - 1) : "own" })));
}

function sample() {
  const chosen = at("sample").value;
  return at("tested").hidden || chosen === "own" ? undefined : tests[at("target").value].tests[Number(chosen)];
}

const written = (value) => JSON.stringify(value, null, 2);

async function submit() {
  const [target, text] = [at("target").value, at("input").value];
  if (sample() && text === written(sample().input)) {
    return ask("POST", `tests/${target}/${at("sample").value}`); // as it stands in its file, secrets and all
  }
  let input;
  try {
    input = JSON.parse(text);
  } catch (error) {
    throw new Error(`The input is not JSON: ${error.message}`);
  }
  if (text.includes(MASK)) {
    throw new Error("A value of the input is masked; write it anew.");
  }
  return ask("POST", `v2/${target}/run`, { input });
}

// Endpoints.

function showTargets(ids) {
  const known = [...at("target").options].map((option) => option.value);
  if (known.join() !== ids.join()) {
    const chosen = at("target").value;
    at("target").replaceChildren(...ids.map((id) => make("option", id, { value: id })));
    at("target").value = ids.includes(chosen) ? chosen : ids[0];
    showTests().catch(() => undefined);
  }
}

export function showHealth(health) {
  const head = make("tr");
  for (const [name, said] of Object.entries({ Id: "", Queued: "", Running: "", Workers: "busy of all" })) {
    head.append(make("th", name, { scope: "col", class: name === "Id" ? "" : "number", title: said }));
  }
  head.append(make("td"));
  const [top, body] = [make("thead"), make("tbody")];
  top.append(head);
  for (const [id, { jobs = {}, workers = {} }] of Object.entries(health)) {
    const row = make("tr");
    const { running = 0, idle = 0, initializing = 0, throttled = 0, unhealthy = 0 } = workers;
    const all = running + idle + initializing + throttled + unhealthy;
    const odd = Object.entries({ initializing, throttled, unhealthy }).filter(([, number]) => number);
    const state = make("td", `${running} / ${all}`, { class: unhealthy ? "number bad" : "number" });
    if (odd.length) {
      state.append(make("div", odd.map(([name, number]) => `${number} ${name}`).join(", "), { class: "quiet" }));
    }
    row.append(make("th", id, { scope: "row" }));
    row.append(make("td", String(jobs.inQueue ?? 0), { class: "number" }), make("td", String(jobs.inProgress ?? 0), { class: "number" }), state);
    const purge = make("button", "Purge", { type: "button", class: "small", "aria-label": `Purge the queue of ${id}` });
    purge.addEventListener("click", () => attempt(() => ask("POST", `v2/${id}/purge-queue`)));
    const last = make("td", "", { class: "number" });
    last.append(purge);
    row.append(last);
    body.append(row);
  }
  const table = make("table");
  table.append(top, body);
  if (!at("endpoints").contains(document.activeElement)) {
    at("endpoints").replaceChildren(table);
  } else {
    refresh(table); // a button that has the focus stays
  }
  showTargets(Object.keys(health));
}

function refresh(table) {
  const [news, olds] = [table, at("endpoints")].map((each) => [...each.querySelectorAll("tbody tr > :not(:last-child)")]);
  news.forEach((now, n) => {
    if (olds[n]) {
      olds[n].replaceChildren(...now.childNodes);
      olds[n].className = now.className;
    }
  });
}

// The verdict.

const NAMES = {
  submitted: "Submitted",
  executions: "Executions",
  results_delivered: "Results delivered",
  requeues: "Put back into the queue",
  doubled: "Submitted twice",
  overexecuted: "Run too often",
  expired: "Forgotten",
  purged: "Purged",
  ambiguous: "Submits without an answer",
};
const WRONG = new Set(["doubled", "overexecuted"]);

export function showVerdict(verdict) {
  const wrong = [
    verdict.conserved ? "" : "jobs were lost",
    verdict.doubled ? `${count(verdict.doubled, "job")} submitted twice` : "",
    verdict.overexecuted ? `${count(verdict.overexecuted, "job")} run too often` : "",
    verdict.complete ? "" : "the ledger was too short",
  ].filter(Boolean);
  const text = verdict.submitted ? "clean: nothing lost, nothing doubled" : "clean, as nothing has happened";
  at("clean").textContent = verdict.clean ? text : `not clean: ${wrong.join(", ")}`;
  at("clean").className = `state ${verdict.clean ? "on" : "off"}`;
  const shown = Object.entries(NAMES).map(([key, name]) => [name, verdict[key], WRONG.has(key) && verdict[key] > 0]);
  for (const [kind, number] of Object.entries(verdict.faults)) {
    shown.push([`Fault: ${kind}`, number, false]);
  }
  const parts = shown.flatMap(([name, value, isBad]) => [
    make("dt", name),
    make("dd", value.toLocaleString("en"), { class: isBad ? "bad" : "" }),
  ]);
  at("verdict").replaceChildren(...parts);
}

// Faults.

export async function showFaults() {
  const { faults } = await ask("GET", "faults");
  const known = new Map([...at("kind").options].map((option) => [option.value.replaceAll(" ", ""), option.text]));
  const items = faults.map(({ fault, struck }) => {
    const said = known.get(JSON.stringify(fault)) ?? [...known].find(([value]) => same(JSON.parse(value), fault))?.[1];
    return make("li", `${said ?? JSON.stringify(fault)}: struck ${struck}`);
  });
  at("faults").replaceChildren(...items);
  at("clear").disabled = !faults.length;
}

const sorted = (value) => JSON.stringify(Object.entries(value).sort());
const same = (one, other) => sorted(one) === sorted(other);

// Time.

let clock = { mode: "system", rate: 1, time: 0, monotonic: 0, seen: 0 };
let began = null; // when the emulator's clock was first seen; it counts from there

export async function showClock() {
  clock = { ...(await ask("GET", "clock")), seen: performance.now() };
  took();
}

function took() {
  began ??= clock.monotonic;
  const { mode, rate, steps, paces } = clock;
  at("pause").hidden = at("paced").hidden = !paces;
  at("stepped").hidden = !steps;
  at("pause").textContent = rate === 0 ? "Go on" : "Pause";
  if (rate && document.activeElement !== at("rate")) {
    if (![...at("rate").options].some((option) => Number(option.value) === rate)) {
      at("rate").append(make("option", `${rate}×`, { value: String(rate) }));
    }
    at("rate").value = String(rate);
  }
  at("clock").dataset.mode = mode;
  tick();
}

// The emulator's time now, seconds since 1970.
export function now() {
  return clock.time + ((performance.now() - clock.seen) / 1000) * (clock.rate ?? 0);
}

export function tick() {
  const how = { paused: "paused", manual: "by hand", virtual: "virtual", scaled: `${clock.rate}×` }[clock.mode];
  const time = new Date(now() * 1000).toLocaleTimeString("en-GB");
  at("clock").textContent = how ? `${time}, ${how}` : time;
}

async function moved(path, body) {
  clock = { ...(await ask("POST", `clock/${path}`, body)), seen: performance.now() };
  took();
}

export function connect(choose) {
  onSubmit("submit", async () => choose((await submit()).id));
  at("target").addEventListener("change", () => attempt(showTests));
  at("sample").addEventListener("change", () => {
    if (sample()) {
      at("input").value = written(sample().input);
    }
  });
  onSubmit("fault", async () => {
    await ask("POST", "faults", JSON.parse(at("kind").value));
    await showFaults();
  });
  at("clear").addEventListener("click", () =>
    attempt(async () => {
      await ask("DELETE", "faults");
      await showFaults();
    }),
  );
  onSubmit("time", () => moved("advance", { seconds: Number(at("seconds").value) }));
  at("pause").addEventListener("click", () => attempt(() => moved("rate", { rate: clock.rate === 0 ? Number(at("rate").value) : 0 })));
  at("rate").addEventListener("change", () => attempt(() => moved("rate", { rate: Number(at("rate").value) })));
}


