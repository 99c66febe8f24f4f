// The provenance picture grows without a reload.
import { announce } from "./page.js";

const area = document.getElementById("provenance");

async function grow(address, moves) {
  const url = new URL(address, location.href);
  const frame = area.querySelector(".provenance-frame");
  const list = area.querySelector("details");
  const place = [frame?.scrollLeft ?? 0, frame?.scrollTop ?? 0];
  const answer = await fetch(area.dataset.address + url.search, { headers: { "X-Fragment": "1" }, redirect: "error" });
  if (!answer.ok) throw new Error(String(answer.status));
  const picture = area.querySelector("[data-picture]") ?? area;
  picture.innerHTML = await answer.text();
  picture.querySelector("details").open = list?.open ?? false;
  picture.querySelector(".provenance-frame").scrollTo(...place);
  if (moves) history.pushState({ grown: true }, "", location.pathname + url.search);
  announce("The picture shows more");
}

area?.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-expand]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  // Links inside SVG have an animated href.
  const address = link.href.baseVal ?? link.href;
  grow(address, true).catch(() => location.assign(address));
});

addEventListener("popstate", () => grow(location.href, false).catch(() => location.reload()));

/** The root comes into view on a narrow screen. */
const root = area?.querySelector(".node-root");
const frame = area?.querySelector(".provenance-frame");
if (root && frame && frame.scrollWidth > frame.clientWidth) {
  const box = root.getBoundingClientRect();
  const outer = frame.getBoundingClientRect();
  frame.scrollLeft += box.left - outer.left - (outer.width - box.width) / 2;
}
