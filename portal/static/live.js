// Parts of a page that follow the server: <div data-live="/address" data-live-seconds="3">.
// Asked for only while the page is visible; unchanged answers (304) change nothing, and what
// changed is changed in place, so that nothing flickers, loses focus or jumps.

// With data-live-calm, rows come and go only when nobody points at or works in the list.
const isWorkedIn = (area) => area.matches(":hover") || area.contains(document.activeElement);

const keyed = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key : undefined);

function sameKind(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyed(a) === keyed(b);
}

function copyAttributes(from, to) {
  for (const { name } of [...to.attributes]) {
    const own = name === "open" || (name === "checked" && to.matches("input"));
    if (!from.hasAttribute(name) && !own) to.removeAttribute(name);
  }
  for (const { name, value } of from.attributes) {
    if (name !== "open" && to.getAttribute(name) !== value) to.setAttribute(name, value);
  }
}

/** Make `to` like `from`, keeping the nodes that stay, their focus and what the user ticked. */
export function morph(from, to) {
  if (from.isEqualNode(to)) return;
  if (to.nodeType !== Node.ELEMENT_NODE) {
    to.nodeValue = from.nodeValue;
    return;
  }
  copyAttributes(from, to);
  const kept = new Map([...to.children].filter(keyed).map((child) => [keyed(child), child]));
  let place = to.firstChild;
  for (const wanted of [...from.childNodes]) {
    const key = keyed(wanted);
    const found = key === undefined ? place : kept.get(key);
    if (found && sameKind(wanted, found)) {
      if (found !== place) to.insertBefore(found, place);
      else place = place.nextSibling;
      morph(wanted, found);
    } else {
      to.insertBefore(document.importNode(wanted, true), place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function keysOf(area) {
  return [...area.querySelectorAll("[data-key]")].map(keyed).join(" ");
}

/** Put new content into an area; false if some of it has to wait. */
function show(area, html) {
  const wanted = area.cloneNode(false);
  wanted.innerHTML = html;
  if ("liveCalm" in area.dataset && isWorkedIn(area) && keysOf(wanted) !== keysOf(area)) {
    for (const row of area.querySelectorAll("[data-key]")) {
      const now = wanted.querySelector(`[data-key="${CSS.escape(keyed(row))}"]`);
      if (now) morph(now, row);
    }
    return false;
  }
  morph(wanted, area);
  area.dispatchEvent(new CustomEvent("live", { bubbles: true }));
  return true;
}

function follow(area) {
  const rhythm = 1000 * Number(area.dataset.liveSeconds || 3);
  let etag = null;
  let waits = rhythm;
  let timer = 0;

  async function ask() {
    const headers = { "X-Fragment": "1", ...(etag && { "If-None-Match": etag }) };
    try {
      const answer = await fetch(area.dataset.live, { headers, redirect: "error", cache: "no-store" });
      waits = rhythm;
      if (answer.status === 401) {
        area.dispatchEvent(new CustomEvent("session-ended", { bubbles: true }));
        return;
      }
      const shown = answer.status === 304 || (answer.ok && show(area, await answer.text()));
      if (shown && answer.status === 200) etag = answer.headers.get("ETag");
      if (shown && answer.headers.has("X-Final")) return;
    } catch {
      waits = Math.min(60000, 2 * waits);
    }
    plan();
  }
  function plan() {
    clearTimeout(timer);
    if (area.isConnected && !document.hidden) timer = setTimeout(ask, waits);
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : ask()));
  plan();
}

for (const area of document.querySelectorAll("[data-live]")) follow(area);
