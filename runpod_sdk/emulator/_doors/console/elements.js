// Small things that the parts of the page share: elements, numbers, and how a status looks.

export const at = (id) => document.getElementById(id);

export function make(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== "") {
      element.setAttribute(name, value);
    }
  }
  return element;
}

export function cell(text, kind = "") {
  return make("span", text, { role: "gridcell", class: kind });
}

const BAD = new Set(["FAILED", "TIMED_OUT", "ERROR"]);

export function lookOf(status) {
  if (BAD.has(status)) {
    return "bad";
  }
  return status === "IN_PROGRESS" ? "active" : status === "COMPLETED" ? "" : "dim";
}

export function seconds(value) {
  if (value < 100) {
    return `${value.toFixed(value < 10 ? 3 : 2)} s`;
  }
  const whole = Math.round(value);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  const rest = `${String(whole % 60).padStart(2, "0")} s`;
  return hours ? `${hours} h ${String(minutes).padStart(2, "0")} min` : `${minutes} min ${rest}`;
}

export function timeOfDay(time) {
  return time === null ? "before" : new Date(time * 1000).toLocaleTimeString("en-GB") + `.${String(Math.floor((time % 1) * 1000)).padStart(3, "0")}`;
}

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

export function say(text) {
  at("said-text").textContent = text;
  if (!at("said").open) {
    at("said").showModal();
  }
}

// Do what a button says; what goes wrong is said.
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    say(error.message);
    return undefined;
  }
}

export function onSubmit(id, work) {
  at(id).addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(work);
  });
}
