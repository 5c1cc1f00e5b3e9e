"use strict";
// Tooltips, keyboard, legend, sorting and filtering of each chart. Everything it needs is on the page.
document.querySelectorAll(".chart").forEach((chart, number) => {
  const all = (selector, within = chart) => Array.from(within.querySelectorAll(selector));
  const figure = chart.querySelector("figure");
  const svg = figure.querySelector("svg");
  const marks = all(".mark", figure);
  const rows = all(".row", figure);
  const tip = chart.querySelector(".tip");
  const tools = chart.querySelector(".tools");
  const status = chart.querySelector(".status");
  const make = (name, text) => Object.assign(document.createElement(name), { textContent: text });
  const say = (text) => { status.textContent = text; };
  const switched = (element, on) => {
    element.classList.toggle("off", !on);
    if (on) element.removeAttribute("display"); else element.setAttribute("display", "none");
  };
  const shown = (mark) => !mark.closest(".off");

  // ---- tooltips and keyboard: one tab stop for all marks, arrows go from mark to mark
  const told = new Map();
  for (const mark of marks) {
    const title = mark.querySelector(":scope > title");
    told.set(mark, title ? title.textContent : mark.getAttribute("title") || "");
    if (title) title.remove();
    mark.removeAttribute("title");
    mark.setAttribute("tabindex", "-1");
    if (svg) mark.setAttribute("role", "img");
    if (svg) mark.setAttribute("aria-label", told.get(mark));
  }
  tip.id = `tip-${number}`;
  if (svg) {
    const [name, description] = svg.getAttribute("aria-labelledby").split(" ");
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-labelledby", name);
    svg.setAttribute("aria-describedby", description);
  }
  let current = marks.find(shown);
  if (current) current.setAttribute("tabindex", "0");

  const place = (x, y) => {
    const box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, x + 14), innerWidth - box.width - 8);
    const below = y + 18 + box.height < innerHeight;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${Math.max(8, below ? y + 18 : y - box.height - 12)}px`;
  };
  const hide = () => {
    tip.hidden = true;
    for (const mark of all(".told", figure)) mark.classList.remove("told");
  };
  const tell = (mark, x, y) => {
    hide();
    tip.textContent = told.get(mark);
    tip.hidden = false;
    mark.classList.add("told");
    if (!svg) mark.setAttribute("aria-describedby", tip.id);
    place(x, y);
  };
  const go = (mark) => {
    if (!mark) return;
    if (current) current.setAttribute("tabindex", "-1");
    current = mark;
    mark.setAttribute("tabindex", "0");
    mark.focus();
  };
  figure.addEventListener("pointermove", (event) => {
    const mark = event.target.closest(".mark");
    if (mark) tell(mark, event.clientX, event.clientY); else hide();
  });
  figure.addEventListener("pointerleave", hide);
  figure.addEventListener("click", (event) => {
    const mark = event.target.closest(".mark");
    if (mark) tell(mark, event.clientX, event.clientY);
  });
  figure.addEventListener("focusin", (event) => {
    const mark = event.target.closest(".mark");
    if (!mark) return;
    const box = mark.getBoundingClientRect();
    tell(mark, box.left + Math.min(box.width / 2, 240), box.bottom - 10);
  });
  figure.addEventListener("focusout", hide);
  const ordered = () => {
    const place = new Map(sorted.map((row, at) => [row, at]));
    const rank = (mark) => place.get(mark.closest(".row")) ?? -1;
    return marks.filter(shown).map((mark, at) => [rank(mark), at, mark])
      .sort((one, other) => one[0] - other[0] || one[1] - other[1]).map((entry) => entry[2]);
  };
  figure.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hide();
    const mark = event.target.closest(".mark");
    if (!mark) return;
    const list = ordered();
    const at = list.indexOf(mark);
    const next = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: list.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    go(list[Math.min(list.length - 1, Math.max(0, next))]);
  });

  // ---- the legend switches marks off and on
  const series = new Set(marks.map((mark) => mark.dataset.series));
  for (const key of all(".key", figure)) {
    if (!series.has(key.dataset.series)) continue;
    key.setAttribute("tabindex", "0");
    key.setAttribute("role", "button");
    key.setAttribute("aria-pressed", "true");
    const toggle = () => {
      const on = key.getAttribute("aria-pressed") !== "true";
      key.setAttribute("aria-pressed", String(on));
      for (const mark of marks) if (mark.dataset.series === key.dataset.series) switched(mark, on);
      if (!current || !shown(current)) { current = marks.find(shown); if (current) current.setAttribute("tabindex", "0"); }
      say(`${key.textContent.trim()}: ${on ? "shown" : "hidden"}`);
    };
    key.addEventListener("click", toggle);
    key.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      toggle();
    });
  }

  // ---- rows are sorted and filtered
  const places = rows.map((row) => row.getAttribute("transform"));
  const orders = {
    importance: () => 0,
    name: (one, other) => one.dataset.name.localeCompare(other.dataset.name),
    "raises most": (one, other) => other.dataset.balance - one.dataset.balance,
    "lowers most": (one, other) => one.dataset.balance - other.dataset.balance,
  };
  let sorted = rows.slice();
  const arrange = () => {
    const wanted = words.value.trim().toLocaleLowerCase();
    sorted = rows.slice().sort(orders[order.value]);
    let at = 0;
    for (const row of sorted) {
      const hit = row.dataset.name.toLocaleLowerCase().includes(wanted);
      switched(row, hit);
      if (hit) row.setAttribute("transform", places[at++]);
    }
    say(at === rows.length ? "" : `${at} of ${rows.length} rows shown`);
  };
  const order = make("select", "");
  const words = Object.assign(document.createElement("input"), { type: "search", placeholder: "part of a name" });
  if (rows.length > 1) {
    for (const name of Object.keys(orders)) order.append(make("option", name));
    for (const [text, control] of [["Sort by", order], ["Filter", words]]) {
      const label = make("label", text);
      label.append(control);
      tools.append(label);
      control.addEventListener("input", arrange);
    }
  }

  // ---- the theme, and files to take away
  const button = (text, act) => {
    const made = make("button", text);
    made.type = "button";
    made.addEventListener("click", act);
    tools.append(made);
  };
  const dark = () => {
    const set = document.documentElement.dataset.theme;
    return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const save = (name, type, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  if (number === 0) button("Light / dark", () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; });
  if (svg) button("Save SVG", () => save("chart.svg", "image/svg+xml", new XMLSerializer().serializeToString(svg)));
  button("Save data", () => save("chart.json", "application/json", chart.querySelector(".data").textContent));
  tools.append(status);
  tools.hidden = false;

  // ---- the table is sorted by its headings
  const table = chart.querySelector("details table");
  all("thead th", table).forEach((heading, column) => {
    const press = make("button", heading.textContent);
    press.type = "button";
    heading.replaceChildren(press);
    press.addEventListener("click", () => {
      const up = heading.getAttribute("aria-sort") !== "ascending";
      for (const other of all("thead th", table)) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (row) => {
        const cell = row.cells[column];
        return cell.dataset.number === undefined ? cell.textContent : Number(cell.dataset.number);
      };
      const compare = (one, other) => {
        const [a, b] = [value(one), value(other)];
        return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
      };
      const body = table.tBodies[0];
      body.append(...Array.from(body.rows).sort((one, other) => (up ? 1 : -1) * compare(one, other)));
    });
  });
});
