// The picture of the whole run: how many jobs are queued, and what each worker has at what time.

import { at, count, seconds } from "./elements.js";

const LEFT = 112; // px for the names of workers
const DEPTH = 52; // px of the queue's depth
const LANE = 20; // px of a worker
const AXIS = 22;
const INKS = ["line", "quiet", "accent", "faint", "bad", "edge"];
const REST = 200; // ms between two pictures
const LANES_MOST = 24; // workers that are shown, the latest ones
const SPANS = [0.001, 0.01, 0.1, 1, 5, 15, 60, 300, 900, 3600, 21_600, 86_400, 604_800];

export class Run {
  // now() is the emulator's time; choose(id) shows a job.
  constructor(model, now, chosen, choose) {
    Object.assign(this, { model, now, chosen, choose, boxes: [], drawn: 0, isDue: false });
    this.canvas = at("run");
    this.canvas.addEventListener("click", (event) => {
      const box = this.#hit(event);
      if (box) {
        this.choose(box.run.job);
      }
    });
    this.canvas.addEventListener("mousemove", (event) => {
      const run = this.#hit(event)?.run;
      this.canvas.title = run ? `${run.job}: ${run.status}, ${seconds((run.to ?? this.now()) - run.from)} on ${run.worker}` : "";
    });
    new ResizeObserver(() => this.draw()).observe(this.canvas.parentElement);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.ink = undefined;
      this.draw();
    });
  }

  // Not with each of a thousand events; the page looks again while something runs.
  drawSoon() {
    if (performance.now() - this.drawn > REST) {
      this.draw();
    } else {
      this.isDue = true;
    }
  }

  get isMoving() {
    return this.model.open.size > 0 || this.model.queued > 0;
  }

  draw() {
    this.drawn = performance.now();
    this.isDue = false;
    const { runs, turns } = this.model;
    const lanes = [...new Map(runs.map((run) => [run.worker, run])).keys()].slice(-LANES_MOST);
    const end = this.isMoving ? Math.max(this.now(), this.#last()) : this.#last();
    const begin = turns.length ? turns[0].time : end;
    this.#tell(lanes, begin, end);
    const height = turns.length ? DEPTH + AXIS + lanes.length * LANE : 0;
    const width = this.canvas.clientWidth;
    const ratio = devicePixelRatio || 1;
    this.canvas.style.height = `${height}px`;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    if (!height || !width) {
      return;
    }
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const x = (time) => LEFT + ((time - begin) / Math.max(end - begin, 1e-3)) * (width - LEFT - 1);
    this.ink ??= Object.fromEntries(INKS.map((name) => [name, resolved(`--${name}`)]));
    pen.font = "11px system-ui, sans-serif";
    this.#grid(pen, x, begin, end, height);
    this.#depth(pen, x, end);
    this.#lanes(pen, x, lanes, end);
  }

  #last() {
    const { runs, turns } = this.model;
    const ends = runs.slice(-500).map((run) => run.to ?? run.from);
    return Math.max(turns.at(-1)?.time ?? 0, ...ends);
  }

  #tell(lanes, begin, end) {
    const { runs, jobs, queued, open } = this.model;
    const busy = runs.reduce((sum, run) => sum + ((run.to ?? end) - run.from), 0);
    const share = end > begin && lanes.length ? Math.round((100 * busy) / ((end - begin) * lanes.length)) : 0;
    at("run-text").textContent = jobs.size
      ? `${count(jobs.size, "job")} in ${seconds(end - begin)}: ${queued} queued, ${open.size} running; ${count(lanes.length, "worker")}, busy ${Math.min(share, 100)} % of the time`
      : "Nothing has run yet. Submit a job, or let your program call the emulator: each worker gets a line here.";
  }

  #grid(pen, x, begin, end, height) {
    const span = SPANS.find((each) => (end - begin) / each <= 8) ?? SPANS.at(-1);
    pen.fillStyle = this.ink.quiet;
    pen.strokeStyle = this.ink.line;
    pen.textAlign = "left";
    for (let at = 0; at <= end - begin; at += span) {
      const left = Math.round(x(begin + at)) + 0.5;
      pen.beginPath();
      pen.moveTo(left, 0);
      pen.lineTo(left, height - AXIS + 4);
      pen.stroke();
      if (left < this.canvas.clientWidth - 50) {
        pen.fillText(span < 1 ? `${+at.toFixed(3)} s` : at < 60 ? `${at} s` : seconds(at).replace(" 00 s", ""), left + 3, height - 7);
      }
    }
  }

  #depth(pen, x, end) {
    const { turns } = this.model;
    const most = Math.max(1, turns.reduce((top, turn) => Math.max(top, turn.queued), 0));
    const y = (queued) => DEPTH - 6 - (queued / most) * (DEPTH - 18);
    pen.fillStyle = this.ink.quiet;
    pen.fillText("queued", 0, DEPTH - 8);
    pen.textAlign = "right";
    pen.fillText(String(most), LEFT - 8, 14);
    pen.textAlign = "left";
    pen.beginPath();
    pen.moveTo(x(turns[0].time), y(0));
    let last = 0;
    let column = { left: -1, top: 0 }; // of turns within one pixel, the most counts
    for (const turn of turns) {
      const left = x(turn.time);
      if (left - column.left >= 1) {
        pen.lineTo(Math.max(column.left, x(turns[0].time)), y(last));
        pen.lineTo(left, y(last));
        column = { left, top: -1 };
      }
      if (turn.queued > column.top) {
        column.top = turn.queued;
        pen.lineTo(column.left, y(turn.queued));
      }
      last = turn.queued;
    }
    pen.lineTo(column.left, y(last));
    pen.lineTo(x(end), y(last));
    pen.strokeStyle = this.ink.edge;
    pen.stroke();
    pen.lineTo(x(end), y(0));
    pen.fillStyle = this.ink.line;
    pen.fill();
  }

  #lanes(pen, x, lanes, end) {
    this.boxes = [];
    pen.fillStyle = this.ink.quiet;
    lanes.forEach((worker, lane) => pen.fillText(worker, 0, DEPTH + lane * LANE + 14, LEFT - 8));
    const places = new Map(lanes.map((worker, lane) => [worker, lane]));
    const drawn = lanes.map(() => 0); // up to where each lane is
    for (const run of this.model.runs) {
      const lane = places.get(run.worker);
      if (lane === undefined) {
        continue;
      }
      const left = x(run.from);
      const right = x(run.to ?? end);
      if (right < drawn[lane] + 1 && run.status === "COMPLETED" && run.job !== this.chosen()) {
        continue; // within a pixel that has its colour
      }
      drawn[lane] = right;
      const box = { run, left, top: DEPTH + lane * LANE + 3, width: Math.max(1.5, right - left - 0.5) };
      const { quiet, accent, faint, bad } = this.ink;
      pen.fillStyle = { COMPLETED: faint, IN_PROGRESS: accent, CANCELLED: faint, GONE: faint }[run.status] ?? bad;
      pen.fillRect(box.left, box.top, box.width, LANE - 6);
      if (run.status === "COMPLETED") {
        pen.fillStyle = accent;
        pen.fillRect(box.left, box.top + LANE - 8, box.width, 2);
      }
      if (run.job === this.chosen()) {
        pen.strokeStyle = quiet;
        pen.strokeRect(box.left - 1, box.top - 1, box.width + 2, LANE - 4);
      }
      this.boxes.push(box);
    }
  }

  #hit({ offsetX, offsetY }) {
    const inside = (box) => offsetX >= box.left - 2 && offsetX <= box.left + box.width + 2 && offsetY >= box.top && offsetY <= box.top + LANE - 6;
    return this.boxes.findLast(inside);
  }
}

// A custom property may be light-dark(…), which a canvas cannot read; an element can.
function resolved(name) {
  const probe = at("run-text").cloneNode();
  probe.removeAttribute("id");
  probe.style.color = `var(${name})`;
  at("run-text").after(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
