// The page: shows what the model knows, and asks the emulator for what buttons say.

import { AGAIN, FINAL, Model } from "./model.js";
import { ask, listen, Refused, useKey } from "./service.js";

const ROW = 26; // px, as in console.css
const AROUND = 10; // rows that are drawn above and below what is seen
const AGAIN_AFTER = 1000; // ms until the next try to connect, and between looks at a job that runs

const at = (id) => document.getElementById(id);
const model = new Model();
let chosen = null; // the id of the job that is shown
let clock = { mode: "system" };

function make(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  return element;
}

function say(text) {
  at("said-text").textContent = text;
  if (!at("said").open) {
    at("said").showModal();
  }
}

async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    say(error.message);
    return undefined;
  }
}

// A list of any length, of which only the rows that are seen are in the page.
class Rows {
  constructor(place, draw, choose) {
    this.place = place;
    this.draw = draw;
    this.items = [];
    this.height = make("div");
    place.append(this.height);
    place.addEventListener("scroll", () => this.paint());
    place.addEventListener("keydown", (event) => this.#key(event, choose));
    place.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row && choose) {
        choose(this.items[Number(row.getAttribute("aria-rowindex")) - 1]);
      }
    });
    new ResizeObserver(() => this.paint()).observe(place);
  }

  show(items) {
    this.items = items;
    this.height.style.height = `${items.length * ROW}px`;
    this.place.setAttribute("aria-rowcount", items.length);
    this.paint();
  }

  paint() {
    const first = Math.max(0, Math.floor(this.place.scrollTop / ROW) - AROUND);
    const last = Math.min(this.items.length, Math.ceil((this.place.scrollTop + this.place.clientHeight) / ROW) + AROUND);
    const rows = [];
    for (let index = first; index < last; index += 1) {
      const row = make("div", "", { role: "row", class: "row", "aria-rowindex": index + 1, id: `${this.place.id}-${index}` });
      row.style.top = `${index * ROW}px`;
      this.draw(row, this.items[index]);
      rows.push(row);
    }
    this.place.replaceChildren(this.height, ...rows);
    const selected = rows.find((row) => row.getAttribute("aria-selected") === "true");
    if (selected) {
      this.place.setAttribute("aria-activedescendant", selected.id);
    } else {
      this.place.removeAttribute("aria-activedescendant");
    }
  }

  #key(event, choose) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step === undefined || !choose || !this.items.length) {
      return;
    }
    event.preventDefault();
    const now = this.items.findIndex((item) => item.id === chosen);
    const next = Math.min(this.items.length - 1, Math.max(0, now + step));
    this.place.scrollTop = Math.min(next * ROW, Math.max(this.place.scrollTop, (next + 1) * ROW - this.place.clientHeight));
    choose(this.items[next]);
  }
}

function cell(text, kind = "") {
  return make("span", text, kind ? { role: "gridcell", class: kind } : { role: "gridcell" });
}

function colour(status) {
  return status === "COMPLETED" ? "good" : AGAIN.has(status) || status === "ERROR" ? "bad" : "";
}

const jobs = new Rows(
  at("jobs"),
  (row, job) => {
    row.setAttribute("aria-selected", job.id === chosen);
    const retries = job.retries ? `↻ ${job.retries}` : "";
    row.append(cell(job.id), cell(job.endpoint), cell(job.status, colour(job.status)), cell(job.worker), cell(retries));
  },
  (job) => choose(job.id),
);

const ledger = new Rows(at("ledger"), (row, entry) => {
  const { n, time, kind, ...rest } = entry;
  row.append(cell(String(n)), cell(kind), cell(JSON.stringify(rest)));
});

function showJobs() {
  const found = model.found(at("status").value, at("search").value.trim());
  at("shown").textContent = `${found.length} of ${model.jobs.size}`;
  jobs.show(found);
}

function showLedger() {
  ledger.show(model.rowsWith(at("ledger-search").value.trim()));
}

function choose(id) {
  chosen = id;
  jobs.paint();
  showJob();
}

function seconds(time) {
  return `${time.toFixed(3)} s`;
}

function showSteps(job) {
  const first = job.steps[0].time;
  at("steps").replaceChildren(
    ...job.steps.map((step) => {
      const who = step.worker ? ` by ${step.worker}` : "";
      return make("li", `${seconds(step.time - first)}: ${step.event}${who}, ${step.to}`);
    }),
  );
}

function action(text, path, job) {
  const button = make("button", text, { type: "button" });
  button.addEventListener("click", () => attempt(() => ask("POST", `v2/${job.endpoint}/${path}`)));
  return button;
}

async function showJob() {
  const job = model.jobs.get(chosen);
  at("detail").hidden = job === undefined;
  if (job === undefined) {
    return;
  }
  at("h-job").textContent = `Job ${job.id}: ${job.status}`;
  showSteps(job);
  const actions = [];
  if (!FINAL.has(job.status)) {
    actions.push(action("Cancel", `cancel/${job.id}`, job));
  }
  if (AGAIN.has(job.status)) {
    actions.push(action("Retry", `retry/${job.id}`, job));
  }
  at("actions").replaceChildren(...actions);
  let known;
  try {
    known = await ask("GET", `jobs/${encodeURIComponent(job.id)}`);
  } catch {
    known = null; // it is gone
  }
  if (chosen === job.id) {
    showFacts(known);
  }
}

function showFacts(known) {
  const facts = [];
  if (known === null) {
    facts.push(make("p", "The emulator has forgotten this job."));
  } else {
    const { output, error, ...rest } = known.state;
    const shown = { Input: known.input, Output: output, Error: readable(error), State: { ...rest, unread: known.unread } };
    for (const [name, value] of Object.entries(shown)) {
      if (value !== undefined) {
        const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
        facts.push(make("h3", name), make("pre", text, { tabindex: "0", "aria-label": name }));
      }
    }
  }
  at("facts").replaceChildren(...facts);
}

// An error of a worker is JSON with its traceback in it.
function readable(error) {
  try {
    const said = JSON.parse(error);
    return said.error_traceback ?? error;
  } catch {
    return error;
  }
}

function showHealth(health) {
  const head = make("tr");
  for (const name of ["Id", "Queued", "Running", "Done", "Failed", "Workers"]) {
    head.append(make("th", name, { scope: "col", class: name === "Id" ? "" : "number" }));
  }
  head.append(make("td"));
  const table = make("table");
  table.append(head);
  for (const [id, { jobs: counts = {}, workers = {} }] of Object.entries(health)) {
    const row = make("tr");
    row.append(make("th", id, { scope: "row" }));
    const busy = workers.running ?? 0;
    const all = busy + (workers.idle ?? 0);
    for (const text of [counts.inQueue, counts.inProgress, counts.completed, counts.failed, `${busy}/${all}`]) {
      row.append(make("td", String(text ?? 0), { class: "number" }));
    }
    const purge = make("button", "Purge", { type: "button", "aria-label": `Purge the queue of ${id}` });
    purge.addEventListener("click", () => attempt(() => ask("POST", `v2/${id}/purge-queue`)));
    const last = make("td");
    last.append(purge);
    row.append(last);
    table.append(row);
  }
  at("endpoints").replaceChildren(table);
  const known = [...at("target").options].map((option) => option.value);
  if (known.join() !== Object.keys(health).join()) {
    at("target").replaceChildren(...Object.keys(health).map((id) => make("option", id, { value: id })));
  }
}

function showVerdict(verdict) {
  const { clean, complete, faults, ...numbers } = verdict;
  at("clean").textContent = clean ? "clean: nothing was lost, doubled or run too often" : "not clean";
  at("clean").className = clean ? "good" : "bad";
  const shown = { ...numbers, complete, ...Object.fromEntries(Object.entries(faults).map(([k, n]) => [`fault ${k}`, n])) };
  const parts = [];
  for (const [name, value] of Object.entries(shown)) {
    parts.push(make("dt", name.replaceAll("_", " ")), make("dd", String(value)));
  }
  at("verdict").replaceChildren(...parts);
}

async function showFaults() {
  const { faults } = await ask("GET", "faults");
  at("faults").replaceChildren(...faults.map((each) => make("li", `${JSON.stringify(each.fault)}: struck ${each.struck}`)));
}

async function showClock() {
  clock = await ask("GET", "clock");
  const rate = clock.rate && clock.rate !== 1 ? `, ${clock.rate} times as fast` : "";
  at("clock").textContent = `${clock.mode} time, ${seconds(clock.monotonic)}${rate}`;
  at("advance").hidden = clock.mode !== "manual";
}

let due = false;

// Draw once for all that came together.
function soon(changed) {
  if (changed === undefined || changed.has(chosen)) {
    showJob();
  }
  if (!due) {
    due = true;
    requestAnimationFrame(() => {
      due = false;
      showJobs();
      showLedger();
    });
  }
}

const TELLS = {
  reset: () => {
    model.reset();
    soon();
  },
  rows: (rows) => {
    soon(model.add(rows));
    if (rows.some((row) => row.kind === "fault")) {
      showFaults();
    }
  },
  health: showHealth,
  verdict: showVerdict,
};

async function keyFromUser() {
  at("ask").showModal();
  await new Promise((resolve) => at("ask").addEventListener("close", resolve, { once: true }));
  useKey(at("key").value);
  at("key").value = "";
}

async function stayConnected() {
  for (;;) {
    try {
      await listen(
        () => {
          TELLS.reset();
          at("connection").textContent = "live";
          showFaults();
          showClock();
        },
        (kind, value) => TELLS[kind]?.(value),
      );
    } catch (error) {
      if (error instanceof Refused && error.status === 401) {
        await keyFromUser();
        continue;
      }
    }
    at("connection").textContent = "not connected";
    await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER));
  }
}

function onSubmit(id, work) {
  at(id).addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(work);
  });
}

onSubmit("submit", async () => {
  let input;
  try {
    input = JSON.parse(at("input").value);
  } catch (error) {
    throw new Error(`The input is not JSON: ${error.message}`);
  }
  const { id } = await ask("POST", `v2/${at("target").value}/run`, { input });
  choose(id);
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
onSubmit("advance", async () => {
  await ask("POST", "clock/advance", { seconds: Number(at("seconds").value) });
  await showClock();
});
for (const form of [at("filter"), at("ledger-search").form]) {
  form.addEventListener("submit", (event) => event.preventDefault());
}
at("status").append(...["IN_QUEUE", "IN_PROGRESS", ...FINAL].map((status) => make("option", status, { value: status })));
at("status").addEventListener("change", showJobs);
at("search").addEventListener("input", showJobs);
at("ledger-search").addEventListener("input", showLedger);
setInterval(() => {
  if (at("connection").textContent === "live") {
    showClock().catch(() => undefined);
    if (model.jobs.get(chosen)?.status === "IN_PROGRESS") {
      showJob(); // what it yields is in no row
    }
  }
}, AGAIN_AFTER);
stayConnected();
