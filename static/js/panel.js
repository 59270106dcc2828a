// The small charts under those of a lane: a statistic with its own lines, in the window the others show.
import { apart, broken, colours, violations } from "./traces.js";
import { fillRows } from "./table.js";

const LEAST_MS = 1000; // between two questions, and ten times as long as the last answer took
const EASE = 10;
const LABEL = 2; // as high a share of this chart as of a large one
const MARKS = ["circle", "diamond"];

export class Panel {
  #host;
  #told = null; // what the server said last
  #at = -Infinity;
  #took = 0;
  #asking = false;
  #stale = true;

  constructor(host) { this.#host = host; }

  get #source() { return this.#host.getAttribute("panel"); }
  get #kind() { return this.#host.dataset.panel; }

  /** Statistics are of measured values: a prediction alone is no news. */
  take(points) { this.#stale ||= points.some((point) => point.by === "gauge"); }

  /** Another window is shown: what was told is not waited out. */
  hurry() {
    this.#stale = true;
    this.#at = -Infinity;
  }

  /** Links carry the window shown; what is chosen stands in the address alone. */
  link(query) {
    for (const one of this.#host.querySelectorAll("[data-panel-link]")) {
      const address = new URLSearchParams(location.search);
      address.set("panel", one.dataset.panelLink);
      one.setAttribute("href", `?${address}`);
    }
    const file = this.#host.querySelector("[data-panel-download]");
    if (file) file.href = `${this.#host.getAttribute("panel-file")}?panel=${this.#kind}&${query}`;
  }

  /** Ask the server if there may be news; whether there was. */
  async refresh([from, to]) {
    if (!this.#source || !this.#stale || this.#asking) return false;
    const now = performance.now();
    if (now - this.#at < Math.max(LEAST_MS, EASE * this.#took)) return false;
    [this.#asking, this.#stale, this.#at] = [true, false, now];
    const query = new URLSearchParams({ panel: this.#kind, from: new Date(from).toISOString(), to: new Date(to).toISOString() });
    try {
      const told = await fetch(`${this.#source}?${query}`).then((answer) => answer.json());
      if (told.streams) this.#told = told;
      return Boolean(told.streams);
    } catch {
      this.#stale = true; // the banner tells of a lost server
      return false;
    } finally {
      this.#took = performance.now() - now;
      this.#asking = false;
    }
  }

  /** `put` draws traces in a place. */
  async draw(range, frame, words, clock, put) {
    for (const stream of this.#told?.streams ?? []) {
      const place = this.#host.querySelector(`[data-panel-of="${stream.id}"]`);
      if (place && stream.series.length) await put(place, tracesOf(stream, frame, words, clock), layoutOf(stream, frame, words, clock, range));
    }
  }

  fillTable(clock, frame) {
    const table = this.#host.querySelector("[data-panel-table]");
    if (!table?.open || !this.#told || !frame) return;
    const rows = this.#told.streams.flatMap((stream) => stream.series.flatMap((series) => series.at.map((t, i) => ({ t, i, series, stream }))));
    fillRows(table.querySelector("tbody"), rows.sort((a, b) => b.t - a.t).slice(0, 200).map(({ t, i, series, stream }) => {
      const number = (value) => (value === null ? "–" : value.toFixed(stream.decimals));
      const broke = series.rules[i].map((rule) => frame.rules[rule]).join(", ");
      return [clock.full(t), stream.name, series.name, ...[series.value, series.lower, series.centre, series.upper].map((column) => number(column[i])), broke];
    }));
  }
}

const pointsOf = (series) => series.at.map((t, i) => ({ t, value: series.value[i], rules: series.rules[i] }));

function tracesOf(stream, frame, words, clock) {
  const colour = colours();
  const traces = stream.series.flatMap((series, i) => [
    ...["lower", "centre", "upper"].filter((side) => series[side].some((value) => value !== null)).map((side) => lineOf(series, side, colour)),
    valuesOf(series, stream, frame, clock, colour, MARKS[i % MARKS.length]),
  ]);
  return [...traces, violations(stream.series.flatMap(pointsOf), frame, colour)];
}

/** Lines step between points, where limits changed, and follow those that widen. */
function lineOf(series, side, colour) {
  const look = side === "centre" ? { dash: "solid", width: 1 } : { dash: "dash", width: 1.5 };
  return { type: "scatter", mode: "lines", x: series.at, y: series[side], line: { ...look, color: colour.edge, shape: "hvh" }, hoverinfo: "skip", showlegend: false };
}

function valuesOf(series, stream, frame, clock, colour, symbol) {
  const drawn = broken(pointsOf(series));
  const hover = (p) => (p.value === null ? "" : `${series.name} ${p.value.toFixed(stream.decimals)} ${stream.unit}<br>${clock.full(p.t)}${p.rules.length ? `<br>${p.rules.map((rule) => frame.rules[rule]).join(", ")}` : ""}`);
  return {
    type: "scatter", mode: "lines+markers", name: series.name, x: drawn.map((p) => p.t), y: drawn.map((p) => p.value), text: drawn.map(hover), hoverinfo: "text", connectgaps: false,
    line: { width: 2, color: colour.mark }, marker: { symbol, size: 6, color: colour.mark, maxdisplayed: 400 },
  };
}

function layoutOf(stream, frame, words, clock, range) {
  const colour = colours(), ticks = clock.ticks(range[0], range[1]), y = rangeOf(stream.series, range);
  const last = (series, side) => series[side].findLast((value) => value !== null);
  const labels = stream.series.flatMap((series) => [["upper", words.ucl], ["lower", words.lcl], ["centre", words.mean]].map(([side, text]) => [text, last(series, side)]))
    .filter(([, value]) => value !== undefined)
    .map(([text, value]) => ({ xref: "paper", x: 1.005, xanchor: "left", yref: "y", y: value, text: `${text} ${value.toFixed(stream.decimals)}`, showarrow: false, font: { size: 12, color: colour.text } }));
  const unique = labels.filter((one, i) => labels.findIndex((other) => other.text === one.text) === i);
  return {
    annotations: within(apart(unique, [y[0], y[0] + (y[1] - y[0]) * LABEL]), y[1]), margin: { l: 56, r: 110, t: 8, b: 40 }, paper_bgcolor: colour.card, plot_bgcolor: colour.raised, showlegend: true,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12 } }, font: { family: "system-ui, Noto Sans, Noto Sans CJK KR, sans-serif", size: 13, color: colour.text },
    hovermode: "closest", dragmode: matchMedia("(pointer: coarse)").matches ? false : "pan", uirevision: "same",
    xaxis: { type: "linear", range, tickmode: "array", tickvals: ticks.values, ticktext: ticks.labels, gridcolor: colour.line, zeroline: false },
    yaxis: { range: y, fixedrange: true, gridcolor: colour.line, zeroline: false },
  };
}

/** Labels that were moved out at the top are let down together. */
function within(labels, top) {
  const over = Math.max(0, ...labels.map((one) => one.y - top));
  for (const one of labels) one.y -= over;
  return labels;
}

/** What is there of values and lines in the window, and a tenth more on either side. */
function rangeOf(all, [from, to]) {
  const seen = all.flatMap((series) => series.at.flatMap((t, i) => (t < from || t > to ? [] : [series.value[i], series.lower[i], series.centre[i], series.upper[i]]))).filter((value) => value !== null);
  if (!seen.length) return [0, 1];
  const low = seen.reduce((a, b) => Math.min(a, b)), high = seen.reduce((a, b) => Math.max(a, b)), pad = 0.1 * (high - low) || 1;
  return [low - pad, high + pad];
}
