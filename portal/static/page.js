// What every page does: menus that close, copying, moments in the reader's zone, live parts.
import "./live.js";

const announcer = document.getElementById("announcer");

/** Say something to those who do not see the page. */
export function announce(text) {
  announcer.textContent = text;
}

document.addEventListener("click", async (event) => {
  const copier = event.target.closest("[data-copy]");
  if (copier) await copy(copier);
  for (const open of document.querySelectorAll("details.menu[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = document.querySelector("details.menu[open]");
  if (open) closeDetails(open);
});

function closeDetails(details) {
  details.open = false;
  details.querySelector("summary").focus();
}

async function copy(button) {
  const word = button.querySelector("span");
  const before = word.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    word.textContent = "Copied";
    announce("Copied");
  } catch {
    getSelection().selectAllChildren(button.parentElement.querySelector("code"));
    word.textContent = "Selected";
  }
  setTimeout(() => (word.textContent = before), 1600);
}

const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Moments are sent in UTC; here they get the reader's own zone. */
function showMoments(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const text = absolute.format(new Date(time.dateTime));
    time.title = text;
    if (!time.hasAttribute("data-ago") && time.textContent !== text) time.textContent = text;
  }
}

showMoments(document);
document.addEventListener("live", (event) => showMoments(event.target));

document.addEventListener("session-ended", () => {
  if (document.getElementById("session-ended")) return;
  const note = document.createElement("div");
  note.id = "session-ended";
  note.className = "note note-warning";
  note.setAttribute("role", "alert");
  const link = document.createElement("a");
  link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = "Log in again";
  note.append("Your session has ended, so this page no longer follows what happens. ", link, ".");
  document.querySelector("main").prepend(note);
});
