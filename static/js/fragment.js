// <apc-fragment src follow>: the same template as the first paint, fetched again when its streams move.
import { live } from "./live.js";
import { tickClocks } from "./clocks.js";

const LEAST_MS = 2000; // between two fetches, whatever the streams say

class ApcFragment extends HTMLElement {
  #stops = [];
  #due = null;
  #last = 0;

  connectedCallback() {
    for (const name of (this.getAttribute("follow") ?? "").split(" ").filter(Boolean)) {
      const [stream, since] = name.split("@"); // the picture was drawn at `since`: what came after is asked for
      this.#stops.push(live.follow(stream, ({ type, points }) => (type === "snapshot" || points.length) && this.refresh(), Number(since)));
    }
    this.again = () => this.refresh();
    document.addEventListener("apc:fresh", this.again);
  }

  disconnectedCallback() {
    this.#stops.forEach((stop) => stop());
    document.removeEventListener("apc:fresh", this.again);
    clearTimeout(this.#due);
  }

  refresh() {
    if (this.#due || document.hidden) return;
    this.#due = setTimeout(() => this.#fetch(), Math.max(0, this.#last + LEAST_MS - performance.now()));
  }

  async #fetch() {
    this.#last = performance.now();
    try {
      const answer = await fetch(this.getAttribute("src"), { headers: { "X-Requested-With": "fetch" }, redirect: "error" });
      if (answer.ok) this.#replace(await answer.text());
    } catch { /* the banner tells of a lost server */ } finally { this.#due = null; }
  }

  #replace(html) {
    const next = new DOMParser().parseFromString(html, "text/html").body;
    const content = next.querySelector("[data-content]")?.dataset.content;
    if (content !== undefined && content === this.querySelector("[data-content]")?.dataset.content) return; // a half-filled form stays
    if (this.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) return;
    const focused = this.#place(document.activeElement);
    this.replaceChildren(...next.childNodes);
    if (focused) this.querySelector(focused)?.focus({ preventScroll: true });
    tickClocks(this);
    document.dispatchEvent(new CustomEvent("apc:changed"));
  }

  /** A selector that finds the focused link again after the replacement. */
  #place(element) {
    const href = this.contains(element) ? element.getAttribute("href") : null;
    return href ? `a[href="${CSS.escape(href)}"]` : null;
  }
}

customElements.define("apc-fragment", ApcFragment);
