// Approve stays disabled for a moment after what it approves has changed, and everything is sent once.

const REST_MS = 1500;
let timer = null;

function rest() {
  const buttons = document.querySelectorAll("button[data-rest]");
  buttons.forEach((button) => { button.disabled = true; });
  clearTimeout(timer);
  timer = setTimeout(() => buttons.forEach((button) => { button.disabled = false; }), REST_MS);
}

document.addEventListener("apc:changed", rest);
document.addEventListener("apc:fresh", rest);
rest();

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) return event.preventDefault();
  if (document.documentElement.classList.contains("stale") && form.querySelector("[data-writes]")) return event.preventDefault();
  if (form.method !== "dialog") {
    form.dataset.sent = "1";
    event.submitter?.classList.add("busy");
  }
});
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => {
  delete form.dataset.sent;
  form.querySelectorAll(".busy").forEach((button) => button.classList.remove("busy"));
}));
