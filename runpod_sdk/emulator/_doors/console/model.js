// What the rows of the ledger say of jobs. No page and no network: whoever has rows can ask it.

const LEDGER_KEPT = 20000; // rows that are shown; the emulator itself keeps more

export const FINAL = new Set(["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT", "ERROR", "GONE"]);
export const AGAIN = new Set(["FAILED", "TIMED_OUT"]); // what the service's /retry takes

export class Model {
  constructor() {
    this.reset();
  }

  reset() {
    this.jobs = new Map();
    this.rows = [];
  }

  // Take in rows, the oldest first; the answer says which jobs have changed.
  add(rows) {
    const changed = new Set();
    for (const row of rows) {
      this.rows.push(row);
      if (row.kind === "job") {
        this.#step(row);
        changed.add(row.job);
      }
    }
    if (this.rows.length > LEDGER_KEPT) {
      this.rows = this.rows.slice(-LEDGER_KEPT);
    }
    return changed;
  }

  #step(row) {
    let job = this.jobs.get(row.job);
    if (job === undefined) {
      job = { id: row.job, endpoint: row.endpoint, status: "", worker: "", retries: 0, steps: [] };
      this.jobs.set(row.job, job);
    }
    job.status = row.to;
    job.worker = row.worker ?? job.worker;
    job.retries = row.retries ?? job.retries;
    job.steps.push({ time: row.time, event: row.event, to: row.to, worker: row.worker ?? "" });
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
  rowsWith(words) {
    const found = words ? this.rows.filter((row) => JSON.stringify(row).includes(words)) : [...this.rows];
    return found.reverse();
  }
}
