// One job: how it went, what went in, what it yields and what came out, and what can be done about it.

import { at, attempt, count, lookOf, make, seconds } from "./elements.js";
import { AGAIN, FINAL } from "./model.js";
import { ask } from "./service.js";

const WORDS = {
  submit: "queued",
  take: "taken",
  succeed: "completed",
  fail: "failed",
  error: "ended in error",
  overrun: "ran too long",
  "time out": "ran too long",
  lose: "lost by",
  cancel: "cancelled",
  purge: "purged",
  retry: "queued again by /retry",
  expire: "forgotten",
  deliver: "delivered",
};
const REPORTS_AT_ENDS = 15; // of a long row of chunks these are shown, the first ones and the last ones

export class Detail {
  constructor(model) {
    this.model = model;
    this.id = null; // of the job that is shown
    this.shown = "";
    this.reports = []; // what it has sent on its way, as far as it was asked for
    this.more = 0;
  }

  get isRunning() {
    return this.model.jobs.get(this.id)?.status === "IN_PROGRESS";
  }

  async show(id = this.id) {
    if (this.id !== id) {
      [this.reports, this.more] = [[], 0];
    }
    this.id = id;
    const job = this.model.jobs.get(id);
    at("detail").hidden = job === undefined;
    if (job === undefined) {
      return;
    }
    at("h-job").replaceChildren("Job ", make("span", job.status, { class: lookOf(job.status) }));
    at("job-id").textContent = job.id;
    this.#steps(job);
    this.#actions(job);
    let known;
    try {
      known = await ask("GET", `jobs/${encodeURIComponent(job.id)}`);
    } catch {
      known = null; // it is gone
    }
    if (this.id === id) {
      if (known) {
        [this.reports, this.more] = [known.reports, known.more_reports];
        this.#steps(job);
      }
      this.#facts(known);
    }
  }

  #steps(job) {
    const first = job.steps[0].time;
    const items = timeline(job.steps, this.reports, this.more).map(({ time, look, text }) => {
      const item = make("li", "", { class: look });
      item.append(make("span", time === null ? "" : seconds(time - first)), make("span", text));
      return item;
    });
    at("steps").replaceChildren(...items);
  }

  // The buttons stay the same elements while they mean the same, so that a focus is not lost.
  #actions(job) {
    const wanted = [];
    if (!FINAL.has(job.status)) {
      wanted.push(["Cancel", () => ask("POST", `v2/${job.endpoint}/cancel/${job.id}`)]);
    }
    if (AGAIN.has(job.status)) {
      wanted.push(["Retry", () => ask("POST", `v2/${job.endpoint}/retry/${job.id}`)]);
    }
    if (job.status === "IN_PROGRESS") {
      wanted.push(["Kill its worker", () => ask("POST", `kill/${job.id}`)]);
    }
    const means = `${job.id} ${wanted.map(([text]) => text)}`;
    if (at("actions").dataset.means === means) {
      return;
    }
    at("actions").dataset.means = means;
    at("actions").replaceChildren(
      ...wanted.map(([text, work]) => {
        const button = make("button", text, { type: "button" });
        button.addEventListener("click", () => attempt(work));
        return button;
      }),
    );
  }

  #facts(known) {
    const text = JSON.stringify(known);
    if (text === this.shown) {
      return; // what somebody reads, or has selected, is left alone
    }
    this.shown = text;
    const facts = [];
    if (known === null) {
      facts.push(make("h4", "Input and output"), make("p", "The emulator has forgotten this job.", { class: "quiet" }));
    } else {
      const { output, error, ...rest } = known.state;
      const parts = {
        Input: known.input,
        Stream: known.chunks.length ? textOf(known.chunks) : undefined,
        Output: output,
        ...of(error),
        State: { ...rest, unread_chunks: known.unread },
      };
      for (const [name, value] of Object.entries(parts)) {
        if (value !== undefined) {
          const shown = typeof value === "string" ? value : JSON.stringify(value, null, 2);
          const title = name === "Stream" ? `Stream, ${count(known.chunks.length, "chunk")}` : name;
          facts.push(make("h4", title), make("pre", shown, { tabindex: "0", role: "region", "aria-label": name }));
        }
      }
    }
    at("facts").replaceChildren(...facts);
  }
}

// What happened to a job, in order: its steps, and behind each what was sent until the next one.
function timeline(steps, reports, more) {
  const items = [];
  let next = 0;
  const reported = (until) => {
    const found = [];
    for (; next < reports.length && reports[next].after < until; next += 1) {
      found.push(reports[next]);
    }
    items.push(...shortened(found));
  };
  const numbers = new Map(); // of the chunks of each worker
  reports.forEach((report) => {
    const number = (numbers.get(report.worker) ?? 0) + (report.kind === "chunk");
    numbers.set(report.worker, number);
    report.number = number;
  });
  for (const step of steps) {
    reported(step.n);
    items.push({ time: step.time, look: isBad(step) ? "bad" : lookOf(step.to), text: said(step) });
  }
  reported(Infinity);
  if (more) {
    items.push({ time: null, look: "dim", text: `${count(more, "report")} more, which ${more === 1 ? "is" : "are"} not kept` });
  }
  return items;
}

function shortened(reports) {
  const items = reports.map(({ time, kind, number, output }) => ({
    time,
    look: "active",
    text: kind === "chunk" ? `chunk ${number}: ${output}` : `progress: ${output}`,
  }));
  const left = items.length - 2 * REPORTS_AT_ENDS;
  if (left > 1) {
    const { time } = items[REPORTS_AT_ENDS];
    items.splice(REPORTS_AT_ENDS, left, { time, look: "dim", text: `${left.toLocaleString("en")} more, up to the next` });
  }
  return items;
}

const isBad = ({ event }) => event === "lose" || event === "miss";

function said({ event, worker, attempt, status }) {
  if (attempt !== undefined) {
    const tries = attempt > 1 ? `, try ${attempt}` : "";
    return event === "call" ? `delivered to its webhook${tries}` : `its webhook was not taken: ${status}${tries}`;
  }
  const where = { take: "by ", lose: "" }[event] ?? "on ";
  const who = worker && event !== "submit" ? ` ${where}${worker}` : "";
  return `${WORDS[event] ?? event}${who}${event === "lose" ? ", queued again" : ""}`;
}

// What was streamed, as it reads: text runs on, all else has a line each.
function textOf(chunks) {
  const words = chunks.every((chunk) => typeof chunk === "string");
  return words ? chunks.join("") : chunks.map((chunk) => JSON.stringify(chunk)).join("\n");
}

// An error of a worker is JSON with its traceback in it.
function of(error) {
  if (error === undefined) {
    return {};
  }
  try {
    const said = JSON.parse(error);
    return { Error: said.error_message ?? error, Traceback: said.error_traceback };
  } catch {
    return { Error: error };
  }
}
