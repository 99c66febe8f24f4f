// The search page without reloads: the selection, parameter rows, the lower panel, the total.
import { announce } from "./page.js";

const page = document.querySelector(".find");
/** The address of this search, and the parameter of the address that has what is ticked in it. */
const { page: place, ticked } = page.dataset;
const KINDS = ["sel", "files"];
const hits = document.getElementById("hits");
const actions = document.getElementById("actions");
const rows = document.getElementById("rows");

document.documentElement.classList.add("with-script");

async function text(address) {
  const answer = await fetch(address, { headers: { "X-Fragment": "1" }, redirect: "error" });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.text();
}

/** Ids as the address has them, 12,15-17. */
function format(ids) {
  const parts = [];
  for (let start = 0; start < ids.length; ) {
    let end = start;
    while (end + 1 < ids.length && ids[end + 1] === ids[end] + 1) end += 1;
    if (end - start > 1) parts.push(`${ids[start]}-${ids[end]}`);
    else parts.push(...ids.slice(start, end + 1));
    start = end + 1;
  }
  return parts.join(",");
}

function parse(ids) {
  const found = new Set();
  for (const part of (ids || "").split(",").filter(Boolean)) {
    const [first, last = first] = part.split("-").map(Number);
    for (let id = first; id <= last; id += 1) found.add(id);
  }
  return found;
}

/** The selected datasets and datafiles, by their parameters of the address. */
function selected() {
  const query = new URLSearchParams(location.search);
  return Object.fromEntries(KINDS.map((kind) => [kind, parse(query.get(kind))]));
}

function withSelection(address, ids) {
  const url = new URL(address, location.href);
  for (const kind of KINDS) {
    if (ids[kind]) url.searchParams.set(kind, ids[kind]);
    else url.searchParams.delete(kind);
  }
  const query = url.search.replaceAll("%2C", ",").replaceAll("%3A", ":");
  return url.pathname + query + url.hash;
}

/** Ids by kind as the address has them. */
const written = (chosen) =>
  Object.fromEntries(KINDS.map((kind) => [kind, format([...chosen[kind]])]));

function carry(links, ids) {
  for (const link of links) link.href = withSelection(link.href, ids);
}

/** Carry the selection in every link and form of the page, and show what it can do. */
async function select(chosen) {
  const ids = written(chosen);
  const number = chosen.sel.size + chosen.files.size;
  history.replaceState(history.state, "", withSelection(location.href, ids));
  carry(document.querySelectorAll('a[href^="/find"]'), ids);
  for (const form of document.querySelectorAll('form[action^="/find"]')) {
    for (const kind of KINDS) keep(form, kind, ids[kind]);
  }
  for (const count of document.querySelectorAll("[data-selected-count]")) count.textContent = number;
  for (const row of hits?.querySelectorAll("tr[data-id]") ?? []) {
    const isChosen = chosen[ticked].has(Number(row.dataset.id));
    row.classList.toggle("chosen", isChosen);
    row.querySelector("input[name=s]").checked = isChosen;
  }
  actions.setAttribute("aria-busy", "true");
  const address = `${place}/selection${location.search}`;
  try {
    const html = await text(address);
    if (address !== `${place}/selection${location.search}`) return;
    actions.innerHTML = html;
    announce(`${number} selected`);
  } catch {
    location.reload();
  } finally {
    actions.removeAttribute("aria-busy");
  }
}

function keep(form, kind, ids) {
  let field = form.querySelector(`input[name=${kind}]`);
  if (!field) {
    field = document.createElement("input");
    field.type = "hidden";
    field.name = kind;
    form.append(field);
  }
  field.value = ids;
}

hits?.addEventListener("change", (event) => {
  if (event.target.name !== "s") return;
  const chosen = selected();
  const id = Number(event.target.value);
  if (event.target.checked) chosen[ticked].add(id);
  else chosen[ticked].delete(id);
  select(chosen);
});

actions.addEventListener("click", (event) => {
  const remove = event.target.closest("[data-remove]");
  if (!remove) return;
  event.preventDefault();
  const chosen = selected();
  chosen[remove.dataset.of].delete(Number(remove.dataset.remove));
  select(chosen);
});

/** The lower panel shows the row that was chosen. */
page.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-detail]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const detail = document.getElementById("detail");
  try {
    detail.innerHTML = await text(link.dataset.detail);
    carry(detail.querySelectorAll('a[href^="/find"]'), written(selected()));
    const url = new URL(link.href);
    url.hash = "";
    history.replaceState(history.state, "", url);
    detail.scrollIntoView({ block: "nearest" });
  } catch {
    location.assign(link.href);
  }
});

/** A parameter row appears without a reload. */
document.getElementById("f-add")?.addEventListener("change", async (event) => {
  const name = event.target.value;
  event.target.value = "";
  if (!name) return;
  const type = document.getElementById("f-type").value;
  const number = rows.children.length;
  const query = new URLSearchParams({ name, type, number });
  const box = document.createElement("template");
  box.innerHTML = await text(`${rows.dataset.rowAddress}?${query}`);
  rows.append(box.content);
  rows.lastElementChild.querySelector("input[name=rv]").focus();
});

rows.addEventListener("click", (event) => {
  const button = event.target.closest(".cond-remove");
  if (!button) return;
  event.preventDefault();
  button.closest(".cond").remove();
  document.getElementById("f-add").focus();
});

/** On a narrow screen the parts are tabs: say which one is open. */
function markTab() {
  const here = ["#filters", "#actions"].includes(location.hash) ? location.hash : "#results";
  for (const tab of document.querySelectorAll(".find-tabs a")) {
    if (tab.hash === here) tab.setAttribute("aria-current", "true");
    else tab.removeAttribute("aria-current");
  }
}
addEventListener("hashchange", markTab);
markTab();

const total = document.getElementById("total");
if (total) {
  text(total.dataset.total).then((number) => (total.textContent = number), () => {});
}
