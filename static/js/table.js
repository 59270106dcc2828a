// The table twin of a chart: the newest points first.

export function fillTable(body, points, frame, words, clock) {
  const streams = new Map(frame.streams.map((stream) => [stream.id, stream]));
  fillRows(body, points.filter((point) => streams.has(point.stream)).map((point) => {
    const { name, decimals } = streams.get(point.stream);
    const counted = (point.n ?? null) === null || point.value === null ? "" : ` (${Math.round(point.value * point.n)} / ${point.n})`;
    const number = (value) => (value === null ? "–" : value.toFixed(decimals));
    const interval = point.low === null ? "" : `${number(point.low)} … ${number(point.high)}`;
    return [clock.full(point.t), name, words[point.by], number(point.value) + counted, interval, point.roll, point.web_m === null ? "–" : point.web_m.toFixed(1), point.rules.map((rule) => frame.rules[rule]).join(", ")];
  }));
}

/** A row for each list of cells; those between the third and the last are numbers. */
export function fillRows(body, rows) {
  body.replaceChildren(...rows.map((cells) => {
    const line = document.createElement("tr");
    cells.forEach((text, i) => {
      const cell = line.appendChild(document.createElement("td"));
      cell.textContent = text;
      if (i >= 3 && i < cells.length - 1) cell.className = "n";
    });
    return line;
  }));
}
