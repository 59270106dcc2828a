// The points of one lane by stream and kind, each once, in the order of the foil.

const MOST = 3000; // points of a trace before the server is asked to thin them

export class Store {
  #seen = new Map(); // seq -> point

  get size() { return this.#seen.size; }

  add(points) { for (const point of points) this.#seen.set(point.seq, { ...point, t: Date.parse(point.at) }); }

  clear() { this.#seen.clear(); }

  forgetBefore(t) {
    for (const [seq, point] of this.#seen) if (point.t < t) this.#seen.delete(seq);
  }

  /** The newest instant of a piece of foil, epoch milliseconds; null without points. */
  get last() {
    let last = null;
    for (const { t } of this.#seen.values()) if (last === null || t > last) last = t;
    return last;
  }

  get first() {
    let first = null;
    for (const { t } of this.#seen.values()) if (first === null || t < first) first = t;
    return first;
  }

  /** Whether some trace has grown beyond what is drawn smoothly. */
  get crowded() {
    const counts = new Map();
    for (const { stream, by } of this.#seen.values()) counts.set(`${stream}${by}`, (counts.get(`${stream}${by}`) ?? 0) + 1);
    return Math.max(0, ...counts.values()) > MOST;
  }

  of(stream, by) {
    const found = [];
    for (const point of this.#seen.values()) if (point.stream === stream && point.by === by) found.push(point);
    return found.sort((a, b) => a.t - b.t || a.seq - b.seq);
  }

  newest(count) {
    return [...this.#seen.values()].sort((a, b) => b.t - a.t || b.seq - a.seq).slice(0, count);
  }
}
