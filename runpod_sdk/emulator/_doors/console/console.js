// The page: shows what the model knows, live, and asks the emulator for what buttons say.

import * as controls from "./controls.js";
import { Detail } from "./detail.js";
import { at, cell, lookOf, seconds, timeOfDay } from "./elements.js";
import { FINAL, Model, textOf } from "./model.js";
import { Rows } from "./rows.js";
import { Run } from "./run.js";
import { listen, Refused, useKey } from "./service.js";

const AGAIN_AFTER = 1000; // ms until the next try to connect, and between looks at the clock
const MOVES = 250; // ms between two pictures while something runs

const model = new Model();
const detail = new Detail(model);
const chosen = () => detail.id;

function choose(id) {
  detail.show(id);
  jobs.paint();
  run.draw();
  if (at("ledger-job").checked) {
    showLedger();
  }
}

const jobs = new Rows(
  at("jobs"),
  ["Id", "Endpoint", "Status", "Worker", "Took"],
  (row, job) => {
    const took = job.took === null ? "" : seconds(job.took);
    const retries = job.retries ? `↻${job.retries}` : "";
    row.append(cell(job.id), cell(job.endpoint, "dim"), cell(job.status, lookOf(job.status)), cell(job.worker, "dim"));
    row.append(cell([retries, took].filter(Boolean).join(" "), "number"));
  },
  { chosen, choose: (job) => choose(job.id) },
);
const log = new Rows(at("log"), ["Time", "Worker", "Kind", "Line"], (row, line) => {
  const look = line.kind === "printed" ? "" : line.kind === "unhealthy" ? "bad" : "dim";
  row.append(cell(timeOfDay(line.time), "dim"), cell(line.worker, "dim"), cell(line.kind, "dim"), cell(line.text, look));
});
const ledger = new Rows(at("ledger"), ["Row", "Time", "Kind", "What"], (row, entry) => {
  const look = entry.kind === "fault" ? "bad" : entry.kind === "job" ? "" : "dim";
  row.append(cell(String(entry.n), "number dim"), cell(timeOfDay(entry.time), "dim"), cell(entry.kind, look), cell(textOf(entry), look));
});
const run = new Run(model, controls.now, chosen, choose);

const said = (id, isEmpty, text) => {
  at(id).textContent = isEmpty ? text : "";
};
const share = (found, all) => (found === all ? all.toLocaleString("en") : `${found.toLocaleString("en")} of ${all.toLocaleString("en")}`);

function showJobs() {
  const found = model.found(at("status").value, at("search").value.trim());
  at("shown").textContent = share(found.length, model.jobs.size);
  said("no-jobs", !found.length, model.jobs.size ? "No job fits." : "No jobs yet. Submit one, and it shows here as it goes.");
  jobs.show(found);
}

function showLedger() {
  const job = at("ledger-job").checked ? detail.id : null;
  const found = model.rowsWith(at("ledger-kind").value, at("ledger-search").value.trim(), job);
  at("ledger-shown").textContent = share(found.length, model.rows.length);
  said("no-ledger", !found.length, model.rows.length ? "No row fits." : "Nothing has happened. Each request, step and fault gets a row here.");
  ledger.show(found);
}

function showLog() {
  const found = model.linesWith(at("log-search").value.trim());
  at("log-shown").textContent = share(found.length, model.lines.length);
  said("no-log", !found.length, model.lines.length ? "No line fits." : "No worker process has said anything. What a function prints goes to its own terminal.");
  log.show(found);
}

let due = false;

// Draw once for all that came together.
function soon() {
  if (!due) {
    due = true;
    requestAnimationFrame(() => {
      due = false;
      showJobs();
      showLedger();
      run.drawSoon();
    });
  }
}

const TELLS = {
  reset: () => {
    model.reset();
    detail.show();
    soon();
  },
  rows: (rows) => {
    if (model.add(rows).has(detail.id)) {
      detail.show();
    }
    soon();
    if (rows.some((row) => row.kind === "fault")) {
      controls.showFaults();
    }
  },
  lines: (lines) => {
    model.addLines(lines);
    showLog();
  },
  health: controls.showHealth,
  verdict: controls.showVerdict,
};

function connection(text, look) {
  at("connection").textContent = text;
  at("connection").className = `state ${look}`;
}

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
          model.lines = [];
          showLog();
          TELLS.reset();
          connection("live", "on");
          controls.showFaults();
          controls.showClock();
        },
        (kind, value) => TELLS[kind]?.(value),
      );
    } catch (error) {
      if (error instanceof Refused && error.status === 401) {
        await keyFromUser();
        continue;
      }
    }
    connection("not connected", "off");
    await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER));
  }
}

controls.connect(choose);
for (const form of document.querySelectorAll("main form.bar, #filter")) {
  form.addEventListener("submit", (event) => event.preventDefault());
}
at("status").append(...["IN_QUEUE", "IN_PROGRESS", ...FINAL].map((status) => new Option(status)));
at("status").addEventListener("change", showJobs);
at("search").addEventListener("input", showJobs);
at("log-search").addEventListener("input", showLog);
for (const [id, event] of [["ledger-kind", "change"], ["ledger-job", "change"], ["ledger-search", "input"]]) {
  at(id).addEventListener(event, showLedger);
}

const isLive = () => at("connection").textContent === "live" && !document.hidden;

setInterval(() => {
  if (isLive()) {
    controls.tick();
    if (run.isMoving || run.isDue) {
      run.draw();
    }
    if (detail.isRunning) {
      detail.show(); // what it yields is in no row
    }
  }
}, MOVES);
setInterval(() => {
  if (isLive()) {
    controls.showClock().catch(() => undefined);
  }
}, AGAIN_AFTER);
stayConnected();
