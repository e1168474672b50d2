// A list of any length, of which only the rows that are seen are in the page.

import { make } from "./elements.js";

const ROW = 28; // px, as in console.css
const AROUND = 10; // rows that are drawn above and below what is seen
const PAGE = 10; // rows that Page Up and Page Down go
const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE, Home: -Infinity, End: Infinity };

export class Rows {
  // draw(row, item) fills a row, below the titles; chosen() is the key of the chosen item, choose(item) chooses another.
  constructor(place, titles, draw, { key = (item) => item.id, chosen = () => null, choose = null } = {}) {
    Object.assign(this, { place, draw, key, chosen, choose, items: [] });
    this.height = make("div");
    this.head = make("div", "", { role: "row", class: "row head", "aria-rowindex": 1 });
    this.head.append(...titles.map((title) => make("span", title, { role: "columnheader" })));
    place.setAttribute("aria-colcount", titles.length);
    place.append(this.head, this.height);
    place.addEventListener("scroll", () => this.paint());
    place.addEventListener("keydown", (event) => this.#press(event));
    place.addEventListener("click", (event) => {
      const row = event.target.closest(".row:not(.head)");
      if (row && choose) {
        choose(this.items[Number(row.getAttribute("aria-rowindex")) - 2]);
      }
    });
    new ResizeObserver(() => this.paint()).observe(place);
  }

  show(items) {
    this.items = items;
    this.height.style.height = `${items.length * ROW}px`;
    this.place.setAttribute("aria-rowcount", items.length + 1);
    this.paint();
  }

  paint() {
    const { scrollTop, clientHeight } = this.place;
    const first = Math.max(0, Math.floor(scrollTop / ROW) - AROUND);
    const last = Math.min(this.items.length, Math.ceil((scrollTop + clientHeight) / ROW) + AROUND);
    const rows = [];
    let active = "";
    for (let index = first; index < last; index += 1) {
      const id = `${this.place.id}-${index}`;
      const row = make("div", "", { role: "row", class: "row", "aria-rowindex": index + 2, id });
      row.style.top = `${(index + 1) * ROW}px`;
      if (this.choose) {
        const isChosen = this.key(this.items[index]) === this.chosen();
        row.setAttribute("aria-selected", isChosen);
        active = isChosen ? id : active;
      }
      this.draw(row, this.items[index]);
      rows.push(row);
    }
    this.place.replaceChildren(this.head, this.height, ...rows);
    if (active) {
      this.place.setAttribute("aria-activedescendant", active);
    } else {
      this.place.removeAttribute("aria-activedescendant");
    }
  }

  #press(event) {
    const step = STEPS[event.key];
    if (step === undefined || !this.choose || !this.items.length) {
      return;
    }
    event.preventDefault();
    const now = this.items.findIndex((item) => this.key(item) === this.chosen());
    const next = Math.min(this.items.length - 1, Math.max(0, now + step));
    const { place } = this;
    place.scrollTop = Math.min(next * ROW, Math.max(place.scrollTop, (next + 2) * ROW - place.clientHeight));
    this.choose(this.items[next]);
  }
}
