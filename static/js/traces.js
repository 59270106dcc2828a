// What is drawn of one stream, by the rules for SPC charts. Pure: points and frame in, traces and layout out.

const GAP = 8; // a hole of so many usual distances breaks the line
const LEAST_GAP_MS = 5000;
const SYMBOLS = { move: "triangle-down", process: "diamond" };

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(`--${name}`).trim();
  return Object.fromEntries(["text", "soft", "line", "card", "raised", "edge", "mark", "interval", "control", "out"].map((name) => [name, get(name)]));
}

function gapOf(points) {
  const steps = points.slice(1).map((point, i) => point.t - points[i].t).filter((step) => step > 0).sort((a, b) => a - b);
  return Math.max(LEAST_GAP_MS, GAP * (steps[steps.length >> 1] ?? 0));
}

/** The points with an empty one in every gap, and where a value is missing. */
export function broken(points) {
  const gap = gapOf(points);
  return points.flatMap((point, i) => (i && point.t - points[i - 1].t > gap ? [{ t: points[i - 1].t + 1, value: null }, point] : [point]));
}

function band(points) {
  const x = [], y = [];
  let run = [];
  const close = () => {
    if (run.length > 1) {
      x.push(...run.map((p) => p.t), ...run.map((p) => p.t).reverse(), null);
      y.push(...run.map((p) => p.low), ...run.map((p) => p.high).reverse(), null);
    }
    run = [];
  };
  for (const point of broken(points)) (point.value ?? null) === null || point.low === null || point.high === null ? close() : run.push(point);
  close();
  return { x, y };
}

/** The points of a stream as they are drawn: a rate, or the count itself. */
function pointsOf(store, stream, by) {
  const points = store.of(stream.id, by);
  return stream.as_counts ? points.map((p) => ({ ...p, value: p.value === null || !p.n ? null : p.value * p.n })) : points;
}

/** Where the lines of counts lie at each sample: the smaller it is, the farther from the mean. */
function steppedLines(points, stream) {
  return stream.limits.filter((step) => step.sample !== null).flatMap((step) => {
    const begin = Date.parse(step.start), end = step.end ? Date.parse(step.end) : Infinity;
    const drawn = points.filter((p) => p.n && p.t >= begin && p.t < end).map((p) => {
      const reach = 3 * step.sigma * Math.sqrt(step.sample / p.n), times = stream.as_counts ? p.n : 1;
      return { t: p.t, lower: times * Math.max(0, step.mean - reach), mean: times * step.mean, upper: times * Math.min(step.most ?? Infinity, step.mean + reach) };
    });
    return drawn.length ? [...drawn, { t: drawn.at(-1).t + 1, lower: null, mean: null, upper: null }] : [];
  });
}

function stepped(points, stream, words, colour) {
  const lines = steppedLines(points, stream);
  const trace = (side, name, dash, width) => ({ type: "scatter", mode: "lines", name, x: lines.map((l) => l.t), y: lines.map((l) => l[side]), line: { shape: "hvh", dash, width, color: colour.edge }, connectgaps: false, hoverinfo: "skip", showlegend: false });
  return lines.length ? [trace("mean", words.mean, "solid", 1), trace("lower", words.lcl, "dash", 1.5), trace("upper", words.ucl, "dash", 1.5)] : [];
}

export function tracesOf(store, stream, frame, words, clock) {
  const colour = colours();
  const predicted = pointsOf(store, stream, "predicted"), gauge = pointsOf(store, stream, "gauge"), lab = pointsOf(store, stream, "lab");
  const counted = (p) => (p.n ? `<br>${Math.round(stream.as_counts ? p.value : p.value * p.n)} / ${p.n}` : "");
  const hover = (kind) => (p) => (p.value ?? null) === null ? "" :
    `${kind} ${p.value.toFixed(stream.decimals)} ${stream.unit}${counted(p)}<br>${clock.full(p.t)}` +
    (kind === words.lab ? `<br>${words.known} ${clock.full(Date.parse(p.known_at))}` : "") +
    (p.quality === "good" ? "" : `<br>${words.doubtful}${p.doubt ? `: ${frame.doubts[p.doubt]}` : ""}`) + (p.rules?.length ? `<br>${p.rules.map((rule) => frame.rules[rule]).join(", ")}` : "");
  const line = (name, points, look) => {
    const drawn = broken(points);
    return { type: "scatter", name, x: drawn.map((p) => p.t), y: drawn.map((p) => p.value ?? null), text: drawn.map(hover(name)), hoverinfo: "text", connectgaps: false, ...look(drawn) };
  };
  const doubtful = (p) => p.quality && p.quality !== "good";
  const filled = (symbol, size) => (drawn) => ({
    marker: { size, line: { width: 1.5 }, symbol: drawn.map((p) => (doubtful(p) ? `${symbol}-open` : symbol)), color: drawn.map((p) => (doubtful(p) ? colour.soft : colour.mark)) },
  });
  return [
    { type: "scatter", name: words.interval, ...band(predicted), fill: "toself", fillcolor: colour.interval, opacity: 0.45, mode: "lines", line: { width: 0 }, hoverinfo: "skip" },
    line(words.predicted, predicted, () => ({ mode: "lines+markers", line: { dash: "dash", width: 1.5, color: colour.mark }, marker: { symbol: "circle-open", size: 6, maxdisplayed: 60, color: colour.mark } })),
    line(words.gauge, gauge, (drawn) => ({ mode: "lines+markers", line: { width: 2, color: colour.mark }, ...filled("circle", 6)(drawn) })),
    line(words.lab, lab, (drawn) => ({ mode: "markers", ...filled("diamond", 11)(drawn) })),
    violations([...predicted, ...gauge, ...lab], frame, colour),
    strip(frame, clock, colour),
    ...stepped([...gauge, ...lab].sort((a, b) => a.t - b.t), stream, words, colour),
  ];
}

/** Every point that breaks a rule is marked; the first of a run names the rule. */
export function violations(points, frame, colour) {
  const found = points.filter((p) => p.rules.length && p.value !== null).sort((a, b) => a.t - b.t);
  const named = found.map((p, i) => (i && found[i - 1].rules.join() === p.rules.join() && p.t - found[i - 1].t < 120000 ? "" : frame.rules[p.rules[0]]));
  return {
    type: "scatter", mode: "markers+text", x: found.map((p) => p.t), y: found.map((p) => p.value), text: named, textposition: "top center",
    textfont: { color: colour.out, size: 12 }, marker: { symbol: "square-open", size: 13, color: colour.out, line: { width: 2.5 } }, hoverinfo: "skip", showlegend: false, cliponaxis: false,
  };
}

/** What happened, in a strip above the chart. */
function strip(frame, clock, colour) {
  return {
    type: "scatter", mode: "markers", yaxis: "y2", showlegend: false, x: frame.events.map((e) => Date.parse(e.at)), y: frame.events.map(() => 0.5),
    text: frame.events.map((e) => `${e.text}<br>${clock.full(Date.parse(e.at))}`), hoverinfo: "text",
    marker: { symbol: frame.events.map((e) => SYMBOLS[e.kind] ?? "line-ns-open"), size: 12, color: colour.text },
  };
}

export function layoutOf(store, stream, frame, words, clock, range) {
  const colour = colours(), ticks = clock.ticks(range[0], range[1]), y = rangeOf(store, stream);
  const rule = (value, dash, width, x0, x1) => ({ type: "line", xref: "x", yref: "y", x0, x1, y0: value, y1: value, line: { dash, width, color: colour.edge }, layer: "below" });
  const label = (value, text) => ({ xref: "paper", x: 1.005, xanchor: "left", yref: "y", y: value, text: `${text} ${value.toFixed(stream.decimals)}`, showarrow: false, font: { size: 12, color: colour.text } });
  const shapes = [], annotations = [];
  const within = (step) => [Math.max(range[0], Date.parse(step.start)), step.end ? Math.min(range[1], Date.parse(step.end)) : range[1]];
  for (const [side, text, dash, width] of [["lower", words.lsl, "solid", 3.5], ["upper", words.usl, "solid", 3.5], ["target", words.target, "dashdot", 1.5]]) {
    for (const step of stream.specs) if (step[side] !== null) shapes.push(rule(step[side], dash, width, ...within(step)));
    if (stream[side] !== null) annotations.push(label(stream[side], text));
  }
  const samples = ["gauge", "lab"].flatMap((by) => pointsOf(store, stream, by)).sort((a, b) => a.t - b.t);
  const newest = steppedLines(samples, stream).at(-2);
  if (newest) annotations.push(label(newest.upper, words.ucl), label(newest.lower, words.lcl));
  stream.limits.filter((step) => step.sample === null).forEach((step, i, values) => {
    const [x0, x1] = within(step);
    shapes.push(rule(step.mean, "solid", 1, x0, x1), rule(step.lower, "dash", 1.5, x0, x1), rule(step.upper, "dash", 1.5, x0, x1));
    if (i === values.length - 1) annotations.push(label(step.upper, words.ucl), label(step.lower, words.lcl));
  });
  for (const event of frame.events) {
    const t = Date.parse(event.at);
    shapes.push({ type: "line", xref: "x", yref: "paper", x0: t, x1: t, y0: 0, y1: 0.92, line: { dash: "dot", width: 1, color: colour.soft } });
  }
  annotations.push(...clipped(store, stream, y, range, colour));
  return {
    shapes, annotations: apart(annotations, y), margin: { l: 56, r: 110, t: 8, b: 46 }, paper_bgcolor: colour.card, plot_bgcolor: colour.raised, showlegend: true,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12 } }, font: { family: "system-ui, Noto Sans, Noto Sans CJK KR, sans-serif", size: 13, color: colour.text },
    hovermode: "closest", dragmode: matchMedia("(pointer: coarse)").matches ? false : "pan", uirevision: "same",
    xaxis: { type: "linear", range, tickmode: "array", tickvals: ticks.values, ticktext: ticks.labels, gridcolor: colour.line, zeroline: false },
    yaxis: { range: y, domain: [0, 0.92], fixedrange: true, gridcolor: colour.line, zeroline: false, tickformat: `.${stream.decimals}f` },
    yaxis2: { range: [0, 1], domain: [0.93, 1], fixedrange: true, showticklabels: false, showgrid: false, zeroline: false },
  };
}

/** Labels at the right edge that would lie on each other are moved apart. */
export function apart(annotations, [low, high]) {
  const least = (high - low) * 0.065; // 17 px or more of the height the values take
  const right = annotations.filter((a) => a.xref === "paper").sort((a, b) => a.y - b.y);
  right.forEach((a, i) => { if (i && a.y - right[i - 1].y < least) a.y = right[i - 1].y + least; });
  return annotations;
}

/** The specification and a quarter more on either side; without one, what is there. */
function rangeOf(store, stream) {
  const whole = stream.specs.filter((step) => step.lower !== null && step.upper !== null);
  if (whole.length) {
    const low = Math.min(...whole.map((step) => step.lower)), high = Math.max(...whole.map((step) => step.upper)), pad = 0.25 * (high - low);
    return [low - pad, high + pad];
  }
  const points = ["predicted", "gauge", "lab"].flatMap((by) => pointsOf(store, stream, by));
  const values = [...points.map((p) => p.value), ...steppedLines(points, stream).flatMap((l) => [l.lower, l.upper])].filter((v) => v !== null);
  if (!values.length) return [0, 1];
  const low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
  const pad = 0.25 * (high - low) || Math.abs(low) * 0.05 || 1;
  return [low - pad, high + pad];
}

/** What lies beyond the drawing is an arrow at its edge, with the value. */
function clipped(store, stream, [low, high], range, colour) {
  const out = ["gauge", "lab", "predicted"].flatMap((by) => pointsOf(store, stream, by)).filter((p) => p.value !== null && (p.value < low || p.value > high) && p.t >= range[0] && p.t <= range[1]);
  return out.slice(-6).map((p) => ({ xref: "x", yref: "y", x: p.t, y: p.value > high ? high : low, text: p.value.toFixed(stream.decimals), showarrow: true, arrowhead: 2, ax: 0, ay: p.value > high ? 26 : -26, arrowcolor: colour.out, font: { color: colour.out, size: 12 } }));
}
