"use strict";
const id = (name) => document.getElementById(name);
const made = (tag, text, kind) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
};

const act = async (action, values) => {
  const answer = await fetch(`/do/${action}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(values),
  });
  id("said").textContent = await answer.text();
};

const button = (text, name, press) => {
  const element = made("button", text);
  element.setAttribute("aria-label", name);
  element.addEventListener("click", press);
  return element;
};

const showLog = async (job) => {
  const text = await (await fetch(`/log/${job.id}`)).text();
  id("log-heading").textContent = `Log of ${job.label}`;
  id("log-text").textContent = text || "The log is empty.";
  id("log").showModal();
  id("log-text").scrollTop = id("log-text").scrollHeight;
};

// A cell is filled again only when its content changes, so that focus and what is typed stay.
const fill = (cell, content) => {
  const key = JSON.stringify(content.key ?? content.text ?? "");
  if (cell.dataset.key === key) return;
  cell.dataset.key = key;
  cell.replaceChildren(...(content.parts ? content.parts() : [made("span", content.text, content.kind)]));
};

const table = (name, items, cells) => {
  const body = id(name);
  const rows = new Map([...body.children].map((row) => [row.dataset.id, row]));
  for (const [place, item] of items.entries()) {
    const contents = cells(item);
    let row = rows.get(item.id);
    if (!row) {
      row = made("tr");
      row.dataset.id = item.id;
      contents.forEach((_, number) => {
        const cell = made(number ? "td" : "th");
        if (!number) cell.scope = "row";
        row.append(cell);
      });
    }
    rows.delete(item.id);
    if (body.children[place] !== row) body.insertBefore(row, body.children[place] ?? null);
    contents.forEach((content, number) => fill(row.children[number], content));
  }
  rows.forEach((row) => row.remove());
};

const signs = { passed: ["✓", "good"], failed: ["✗", "bad"], timed_out: ["✗", "bad"], expired: ["✗", "bad"] };

const pool = (queue) => () => {
  const form = made("form");
  const label = made("label");
  const input = made("input");
  input.type = "number";
  input.min = 0;
  input.max = 20;
  input.required = true;
  input.value = /^\d+$/.test(queue.pool) ? queue.pool : "";
  input.setAttribute("aria-label", `Hot instances of queue ${queue.key}`);
  label.append(input);
  form.append(label, " ", made("button", "Set"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act("pool", { queue: queue.key, count: input.valueAsNumber });
  });
  return [form];
};

const queueCells = (queue) => [
  { text: queue.key }, { text: queue.waiting }, { text: queue.hot }, { text: queue.coming }, { text: queue.busy },
  { key: queue.pool, parts: pool(queue) },
];

const buildCells = (build) => [
  { text: `${build.pipeline} #${build.number}` }, { text: build.state },
  { key: build.blocked, parts: () => build.blocked.map((step) =>
    button(`Unblock ${step.label}`, `Unblock ${step.label} of build ${build.number}`,
      () => act("unblock", { build: build.id, step: step.id }))) },
];

const state = (job) => {
  const [sign, kind] = signs[job.outcome] ?? ["", ""];
  const exit = job.exit === null ? "" : `, exit ${job.exit}`;
  return { text: job.outcome ? `${sign} ${job.outcome}${exit}` : job.state, kind };
};

const jobCells = (job) => [
  { text: job.label }, { text: job.build }, state(job), { text: job.instance },
  { key: [job.notes, job.detail], parts: () => {
    const list = made("ul");
    list.append(...[...job.notes, job.detail].filter(Boolean).map((note) => made("li", note)));
    return list.childElementCount ? [list] : [];
  } },
  { key: Boolean(job.outcome), parts: () => [
    button("Log", `Log of ${job.label}`, () => showLog(job)), " ",
    ...(job.outcome ? [] : [button("Cancel", `Cancel ${job.label}`, () => act("cancel", { job: job.id }))]),
  ] },
];

const instanceCells = (instance) => [
  { text: instance.id }, { text: instance.queue }, { text: instance.profile, kind: instance.profile },
  { text: instance.state }, { text: instance.job }, { text: instance.reason, kind: "soft" },
];

const stream = new EventSource("/events");
stream.addEventListener("message", (event) => {
  const lab = JSON.parse(event.data);
  id("lost").hidden = true;
  table("queues", lab.queues.map((queue) => ({ ...queue, id: queue.key })), queueCells);
  table("builds", lab.builds, buildCells);
  table("jobs", lab.jobs, jobCells);
  table("instances", lab.instances, instanceCells);
});
stream.addEventListener("error", () => { id("lost").hidden = false; });
id("start").addEventListener("click", () => act("start", {}));
