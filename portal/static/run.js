// The option form shows at once the command that it will run, and faults at their fields.
const form = document.getElementById("run");
const command = document.getElementById("command");
const jobs = document.getElementById("jobs");
const touched = new Set();

document.documentElement.classList.add("with-script");

const ids = (text) => (text ? text.split(",").map(Number) : []);

/** What the form says, as the interface takes it. */
function filled() {
  const options = {};
  for (const input of form.elements) {
    if (input.name.startsWith("option.")) {
      const key = input.name.slice("option.".length);
      options[key] = input.type === "checkbox" ? input.checked : input.value;
    } else if (input.name.startsWith("group.") && input.checked) {
      options[input.value] = true;
    }
  }
  const data = new FormData(form);
  const answer = { one: true, many: false }[data.get("oneJob")];
  return {
    datasetIds: ids(form.dataset.datasets),
    datafileIds: ids(form.dataset.datafiles),
    options,
    argumentsText: data.get("arguments") || "",
    investigationId: Number(data.get("investigation")) || null,
    oneJob: answer ?? null,
    engine: data.get("engine") || null,
  };
}

function showFault(box, texts) {
  let error = box.querySelector(".field-error");
  if (!error && texts.length) {
    error = document.createElement("div");
    error.className = "field-error";
    error.append(document.createElement("span"));
    box.append(error);
  }
  if (!error) return;
  error.hidden = !texts.length;
  error.querySelector("span").textContent = texts.join("; ");
  box.classList.toggle("field-wrong", texts.length > 0);
  const input = box.querySelector("input, select, textarea");
  if (!error.id) error.id = `${input.id}-error`;
  if (texts.length) {
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", error.id);
  } else {
    input.removeAttribute("aria-invalid");
  }
  input.classList.toggle("is-invalid", texts.length > 0);
}

function faultsOf(box, faults) {
  if (box.dataset.options) return box.dataset.options.split("\n").flatMap((key) => faults[key] ?? []);
  const name = box.dataset.field;
  if (name === "investigation") return faults.investigationId ?? [];
  return faults[name?.replace(/^option\./, "")] ?? [];
}

function show(found) {
  command.textContent = found.commandLine || "–";
  if (found.jobs) jobs.textContent = `${found.jobs.toLocaleString("en")} job${found.jobs === 1 ? "" : "s"} will be submitted.`;
  else if (found.question) jobs.textContent = "Answer the question first.";
  else jobs.textContent = "Nothing can be submitted yet.";
  showEstimate(found.estimate);
  for (const box of form.querySelectorAll(".field")) {
    const input = box.querySelector("input, select, textarea");
    // What nobody has touched yet is not complained about.
    if (touched.has(input.name)) showFault(box, faultsOf(box, found.faults));
  }
}

/** How long it will take, and where; the latter only where there is a choice. */
function showEstimate(found) {
  document.getElementById("estimate").textContent = found ? found.words : "–";
  const name = document.getElementById("engine-name");
  if (!name) return;
  name.textContent = found?.engine || "–";
  document.getElementById("engine-reason").textContent = found?.reason ? `: ${found.reason}` : "";
}

let last = 0;
let timer = 0;

async function preview() {
  const number = (last += 1);
  const token = document.querySelector('meta[name="csrf-token"]').content;
  try {
    const answer = await fetch(form.dataset.form, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token },
      body: JSON.stringify(filled()),
    });
    if (number !== last) return;
    if (answer.status === 401) form.dispatchEvent(new CustomEvent("session-ended", { bubbles: true }));
    if (answer.ok) show(await answer.json());
  } catch {
    // Without the service the form still works: the server checks when it is submitted.
  }
}

form.addEventListener("input", (event) => {
  touched.add(event.target.name);
  clearTimeout(timer);
  timer = setTimeout(preview, 200);
});

// One click is one submission; the key makes sure of that on the server too.
form.addEventListener("submit", (event) => {
  if (event.submitter?.name === "intent") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
});
addEventListener("pageshow", () => delete form.dataset.sent);
