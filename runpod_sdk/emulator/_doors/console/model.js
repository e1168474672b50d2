// What the rows of the ledger say of jobs and workers. No page and no network: whoever has rows can ask it.

const LEDGER_KEPT = 20_000; // rows that are shown; the emulator itself keeps more
const LINES_KEPT = 5_000; // lines of workers
const RUNS_KEPT = 20_000; // bars of the picture
const TURNS_KEPT = 40_000; // points of the queue's depth

export const FINAL = new Set(["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT", "ERROR", "GONE"]);
export const AGAIN = new Set(["FAILED", "TIMED_OUT"]); // what the service's /retry takes

// Once for each row, and not again with each key that is pressed.
const TEXTS = new WeakMap();

export function textOf(row) {
  let text = TEXTS.get(row);
  if (text === undefined) {
    text = said(row);
    TEXTS.set(row, text);
  }
  return text;
}

const named = (fields) => Object.entries(fields).map(([name, value]) => `${name} ${value}`);

function said({ n, time, kind, ...row }) {
  let head = "";
  let rest = row;
  if (kind === "request") {
    const { method, path, operation, ...more } = row;
    [head, rest] = [`${operation || "refused"}: ${method} ${path}`, more];
  } else if (kind === "answer") {
    const { status, fate, cause, ...more } = row;
    [head, rest] = [`${status ?? "none"} to ${cause}${fate === "whole" ? "" : `, ${fate}`}`, more];
  } else if (kind === "job") {
    const { event, from, to, job, worker, ...more } = row;
    [head, rest] = [`${event}: ${from ? `${from} → ` : ""}${to}`, worker ? { worker, job, ...more } : { job, ...more }];
  } else if (kind === "fault") {
    const { fault, when, ...more } = row;
    [head, rest] = [`${fault}, ${when} the work`, more];
  }
  return [head, ...named(rest)].filter(Boolean).join(" · ");
}

const latest = (list, most) => (list.length > most + most / 4 ? list.slice(-most) : list);

export class Model {
  constructor() {
    this.reset();
  }

  reset() {
    this.jobs = new Map();
    this.rows = [];
    this.lines = this.lines ?? []; // what workers have printed outlives a reset
    this.runs = []; // each time that a worker had a job: { worker, endpoint, job, from, to, status }
    this.open = new Map(); // the run that a job is in
    this.turns = []; // how many jobs were queued from when on: { time, queued }
    this.queued = 0;
  }

  // Take in rows, the oldest first; the answer says which jobs have changed.
  add(rows) {
    const changed = new Set();
    for (const row of rows) {
      this.rows.push(row);
      if (row.kind === "job") {
        this.#step(row);
        changed.add(row.job);
      } else if ((row.kind === "answer" && this.#deliver(row)) || (row.kind === "webhook" && this.#call(row))) {
        changed.add(row.job);
      }
    }
    this.rows = latest(this.rows, LEDGER_KEPT);
    this.runs = latest(this.runs, RUNS_KEPT);
    this.turns = latest(this.turns, TURNS_KEPT);
    return changed;
  }

  addLines(lines) {
    this.lines = latest([...this.lines, ...lines], LINES_KEPT);
  }

  #step(row) {
    let job = this.jobs.get(row.job);
    if (job === undefined) {
      job = { id: row.job, endpoint: row.endpoint, status: "", worker: "", retries: 0, steps: [], began: null, took: null };
      this.jobs.set(row.job, job);
    }
    this.#count(row);
    this.#run(row, job);
    job.status = row.to;
    job.worker = row.worker ?? job.worker;
    job.retries = row.retries ?? job.retries;
    job.steps.push({ n: row.n, time: row.time, event: row.event, to: row.to, worker: row.worker ?? "" });
  }

  // Whether a whole answer has told somebody how a job ended.
  #deliver({ n, time, fate, status, job_status: to, job: id }) {
    const job = this.jobs.get(id);
    const isDelivered = job !== undefined && fate === "whole" && status === 200 && FINAL.has(to);
    if (isDelivered) {
      job.steps.push({ n, time, event: "deliver", to, worker: "" });
    }
    return isDelivered;
  }

  // Whether a job's webhook was called: one more try to tell somebody how it ended.
  #call({ n, time, attempt, status, job: id }) {
    const job = this.jobs.get(id);
    job?.steps.push({ n, time, event: status === 200 ? "call" : "miss", to: job.status, worker: "", attempt, status });
    return job !== undefined;
  }

  #count(row) {
    const moved = (row.to === "IN_QUEUE") - (row.from === "IN_QUEUE");
    if (moved) {
      this.queued += moved;
      this.turns.push({ time: row.time, queued: this.queued });
    }
  }

  #run(row, job) {
    if (row.event === "take") {
      const run = { worker: row.worker, endpoint: row.endpoint, job: row.job, from: row.time, to: null, status: "IN_PROGRESS" };
      this.runs.push(run);
      this.open.set(row.job, run);
      job.began = row.time;
      job.took = null;
      return;
    }
    const run = this.open.get(row.job);
    if (run && row.from === "IN_PROGRESS" && row.to !== "IN_PROGRESS") {
      run.to = row.time;
      run.status = row.event === "lose" ? "LOST" : row.to;
      job.took = row.time - run.from;
      this.open.delete(row.job);
    }
  }

  // The jobs that fit, the latest first.
  found(status, words) {
    const found = [];
    for (const job of this.jobs.values()) {
      const fits = !status || job.status === status;
      if (fits && (!words || `${job.id} ${job.endpoint} ${job.worker}`.includes(words))) {
        found.push(job);
      }
    }
    return found.reverse();
  }

  // The rows that fit, the latest first.
  rowsWith(kind, words, job) {
    const fits = (row) => (!kind || row.kind === kind) && (!job || row.job === job) && (!words || textOf(row).includes(words));
    return (kind || words || job ? this.rows.filter(fits) : [...this.rows]).reverse();
  }

  // The lines that fit, the latest first.
  linesWith(words) {
    const fits = (line) => `${line.worker} ${line.endpoint} ${line.kind} ${line.text}`.includes(words);
    return (words ? this.lines.filter(fits) : [...this.lines]).reverse();
  }
}
