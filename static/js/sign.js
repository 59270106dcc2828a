// A form that needs a signature asks for it in a dialog at the same screen. The dialog sends what the form held when it
// was opened, so that a page which is drawn anew meanwhile changes nothing of what is signed.
import { live } from "./live.js";

const dialog = document.getElementById("sign");
const form = dialog?.querySelector("form");
const part = (name) => dialog.querySelector(`[data-${name}]`);

function open(asking, submitter) {
  form.reset();
  form.action = asking.action;
  form.elements.signer.value = asking.dataset.signer ?? dialog.dataset.me;
  part("meaning").textContent = asking.dataset.sign;
  part("copied").replaceChildren(...copies(asking, submitter));
  if (asking.elements.reason) form.elements.reason.value = asking.elements.reason.value;
  form.elements.reason.required = Boolean(asking.elements.reason?.required);
  say("");
  askForPassword();
  dialog.showModal();
  (form.elements.signer.value ? form.elements.password : form.elements.signer).focus();
}

/** What the form holds, as hidden fields; the dialog's own fields are left out. */
function copies(asking, submitter) {
  const held = [...new FormData(asking, submitter)].filter(([name]) => !["csrfmiddlewaretoken", "reason"].includes(name));
  return held.map(([name, value]) => Object.assign(document.createElement("input"), { type: "hidden", name, value }));
}

/** One's own password holds for a while; anybody else gives his each time. */
function askForPassword() {
  const holds = form.elements.signer.value === dialog.dataset.me && Date.parse(dialog.dataset.holds) > live.now;
  part("password").hidden = holds;
  form.elements.password.required = !holds;
}

function say(words) {
  part("refused").textContent = words;
  part("refused").hidden = !words;
}

/** Whether the password is right, asked before the page is left. */
async function fits() {
  if (!form.elements.password.required) return true;
  try {
    const answer = await fetch(dialog.dataset.check, { method: "POST", body: new FormData(form), redirect: "error" });
    if (answer.ok) return true;
    say((await answer.json()).words);
  } catch { say(dialog.dataset.lost); }
  form.elements.password.value = "";
  form.elements.password.focus();
  return false;
}

async function send(event) {
  event.preventDefault();
  if (document.documentElement.classList.contains("stale")) return say(dialog.dataset.lost);
  event.submitter.disabled = true;
  if (await fits()) {
    if (form.elements.signer.value === dialog.dataset.me) form.elements.password.value = ""; // the session knows
    form.submit();
  }
  else event.submitter.disabled = false;
}

if (dialog) {
  document.addEventListener("submit", (event) => {
    if (!event.target.dataset.sign || document.documentElement.classList.contains("stale")) return;
    event.preventDefault();
    event.stopImmediatePropagation(); // nothing is sent yet
    open(event.target, event.submitter);
  }, true);
  form.addEventListener("submit", (event) => { event.stopPropagation(); send(event); });
  form.elements.signer.addEventListener("input", askForPassword);
  part("cancel").addEventListener("click", () => dialog.close());
  addEventListener("pageshow", () => { form.querySelector("button.main").disabled = false; dialog.close(); });
}
