// The list of jobs: rows that follow the server, and ticking several at once.
const body = document.querySelector(".job-list tbody");
const all = document.getElementById("tick-all");
const count = document.getElementById("bulk-count");
const bar = document.getElementById("bulk-actions");
const boxes = () => [...body.querySelectorAll("input[name=job], input[name=sweep]")];

function showTicked() {
  const ticked = boxes().filter((box) => box.checked).length;
  count.textContent = ticked ? `${ticked} ticked:` : "With the ticked jobs:";
  all.checked = ticked > 0 && ticked === boxes().length;
  all.indeterminate = ticked > 0 && !all.checked;
  bar.classList.toggle("bulk-active", ticked > 0);
  for (const button of bar.querySelectorAll("[popovertarget], [data-bulk]")) {
    if (!button.closest("[popover]")) button.disabled = ticked === 0;
  }
}

if (body) {
  all.addEventListener("change", () => {
    for (const box of boxes()) box.checked = all.checked;
    showTicked();
  });
  body.addEventListener("change", showTicked);
  body.addEventListener("live", showTicked);
  showTicked();
}
