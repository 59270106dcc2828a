// <apc-chart lane follow frame points>: the control charts of one lane, live or of a range that the address names.
import { fillTable } from "./table.js";
import { live } from "./live.js";
import { Panel } from "./panel.js";
import { Store } from "./store.js";
import { PlantClock } from "./times.js";
import { layoutOf, tracesOf } from "./traces.js";

const REDRAW_MS = 1000;
const SPAN_S = 1800;
const CONFIG = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false, showTips: false };

class ApcChart extends HTMLElement {
  #store = new Store();
  #frame = null;
  #clock = new PlantClock([]);
  #range = null; // [from, to] in ms when not following
  #span = SPAN_S;
  #fresh = 0; // points that came while the chart was held
  #timer = null;
  #busy = false;
  #asked = 0;
  #loading = false; // on a slow line the next point is no reason to ask again
  #panel = new Panel(this);

  connectedCallback() {
    this.#readAddress();
    this.addEventListener("click", (event) => this.#clicked(event));
    for (const table of this.querySelectorAll("details")) table.addEventListener("toggle", () => this.#tables());
    this.stop = live.follow(this.getAttribute("follow"), (message) => this.#take(message));
    this.again = () => this.#load();
    document.addEventListener("apc:changed", this.again);
    document.addEventListener("visibilitychange", this.show = () => this.#draw());
    if (this.#range) this.#load();
  }

  disconnectedCallback() {
    this.stop();
    clearTimeout(this.#timer);
    document.removeEventListener("apc:changed", this.again);
    document.removeEventListener("visibilitychange", this.show);
    for (const plot of this.#plots) window.Plotly.purge(plot);
  }

  /** Follow the newest points again. */
  followLive() {
    this.#range = null;
    this.#fresh = 0;
    this.#writeAddress();
    this.#load();
  }

  get #plots() { return [...this.querySelectorAll(".plot")]; }
  get #charts() { return this.#plots.filter((plot) => plot.dataset.stream); }
  get #words() { return this.dataset; }

  #readAddress() {
    const query = new URLSearchParams(location.search);
    const from = Date.parse(query.get("from")), to = Date.parse(query.get("to"));
    if (from < to) this.#range = [from, to];
    this.#span = Math.min(86400, Math.max(60, Number(query.get("span")) || SPAN_S));
  }

  #writeAddress() {
    const query = new URLSearchParams(location.search);
    for (const name of ["from", "to", "span"]) query.delete(name);
    if (this.#range) {
      query.set("from", new Date(this.#range[0]).toISOString());
      query.set("to", new Date(this.#range[1]).toISOString());
    } else if (this.#span !== SPAN_S) query.set("span", this.#span);
    history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
    document.dispatchEvent(new Event("apc:range"));
  }

  #take(message) {
    this.#store.add(message.points);
    this.#panel.take(message.points);
    if (!this.#range) this.#panel.refresh(this.#shown());
    if (this.#range) this.#fresh += message.type === "points" ? message.points.length : 0;
    else if (message.type === "snapshot" || (!this.#loading && (!this.#frame || this.#store.crowded))) this.#load();
    this.#soon();
  }

  #clicked(event) {
    const button = event.target.closest("button");
    if (button?.matches("[data-live-lock]")) this.#range ? this.followLive() : this.#hold(this.#shown());
    else if (button?.dataset.span) {
      this.#span = Number(button.dataset.span);
      this.followLive();
    }
  }

  #hold(range) {
    this.#range = range;
    this.#fresh = 0;
    this.#writeAddress();
    this.#load();
  }

  #shown() {
    const last = this.#store.last ?? live.now;
    return this.#range ?? [last - this.#span * 1000, last + this.#span * 20];
  }

  /** Fetch the frame and the thinned points of what is shown; what the socket brings is added to it. */
  async #load() {
    const asked = ++this.#asked;
    this.#loading = true;
    const [from, to] = this.#shown();
    const query = new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(to).toISOString() });
    try {
      const [frame, points] = await Promise.all(["frame", "points"].map((what) => fetch(`${this.getAttribute(what)}?${query}`).then((answer) => answer.json())));
      if (asked !== this.#asked || !frame.streams) return;
      this.#frame = frame;
      this.#clock = new PlantClock(frame.offsets);
      if (this.#range || this.#store.crowded) this.#store.clear();
      this.#store.add(points.points ?? []);
      this.#panel.hurry();
    } catch { /* the banner tells of a lost server; the next point asks again */ } finally {
      if (asked === this.#asked) this.#loading = false;
    }
    this.#draw();
  }

  #soon() { this.#timer ??= setTimeout(() => { this.#timer = null; this.#draw(); }, REDRAW_MS); }

  async #draw() {
    this.#lock();
    if (!this.#frame || document.hidden || this.#busy || !this.#store.size) return;
    const range = this.#shown();
    if (!this.#range) this.#store.forgetBefore(range[0] - 60000);
    this.#busy = true;
    try {
      for (const plot of this.#charts) await this.#plot(plot, range);
      await this.#panel.draw(range, this.#frame, this.#words, this.#clock, (plot, ...what) => this.#put(plot, ...what));
    } finally { this.#busy = false; }
    this.#tables();
    this.#panel.refresh(range).then((news) => news && this.#soon());
  }

  async #plot(plot, range) {
    const stream = this.#frame.streams.find((one) => one.id === Number(plot.dataset.stream));
    if (!stream) return;
    const given = [this.#store, stream, this.#frame, this.#words, this.#clock];
    await this.#put(plot, tracesOf(...given), layoutOf(...given, range));
  }

  async #put(plot, traces, layout) {
    const first = plot.classList.contains("waiting");
    plot.classList.remove("waiting");
    await window.Plotly.react(plot, traces, layout, CONFIG);
    if (first) plot.on("plotly_relayout", (change) => this.#moved(change));
  }

  /** A hand on the chart holds it where it is put. */
  #moved(change) {
    const range = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (this.#busy || !range.every(Number.isFinite)) return;
    clearTimeout(this.moving);
    this.moving = setTimeout(() => this.#hold(range), 300);
  }

  #lock() {
    const button = this.querySelector("[data-live-lock]"), held = this.#range !== null;
    const words = held ? this.#words.more.replace("{n}", this.#fresh) : this.#words.live;
    if (button.textContent !== words) button.textContent = words;
    button.setAttribute("aria-pressed", String(!held));
    for (const span of this.querySelectorAll("[data-span]")) span.setAttribute("aria-pressed", String(!held && Number(span.dataset.span) === this.#span));
    const [from, to] = this.#shown();
    const query = new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(to).toISOString() });
    this.querySelector("[data-download]").href = `${this.getAttribute("file")}?${query}`;
    this.#panel.link(query);
  }

  #tables() {
    this.#panel.fillTable(this.#clock, this.#frame);
    const table = this.querySelector("[data-table]");
    if (table?.open && this.#frame) fillTable(table.querySelector("tbody"), this.#store.newest(200), this.#frame, this.#words, this.#clock);
  }
}

customElements.define("apc-chart", ApcChart);
