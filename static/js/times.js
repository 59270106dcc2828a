// The plant's clock. The server says which offset holds from when; nothing here knows about zones.

const STEPS_MIN = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 40320];
const MINUTE = 60000;

export class PlantClock {
  constructor(offsets) {
    this.offsets = offsets.map(({ start, minutes, name }) => ({ from: Date.parse(start), ms: minutes * MINUTE, name }));
  }

  #at(t) { return this.offsets.findLast((offset) => offset.from <= t) ?? this.offsets[0] ?? { ms: 0, name: "UTC" }; }
  #wall(t) { return new Date(t + this.#at(t).ms).toISOString(); }

  zone(t) { return this.#at(t).name; }
  time(t) { return this.#wall(t).slice(11, 19); }
  full(t) { return `${this.#wall(t).slice(0, 10)} ${this.time(t)} ${this.zone(t)}`; }

  /** Tick values and labels between two instants, at round plant times; in a night of 25 hours both twos are there. */
  ticks(from, to, most = 9) {
    const step = (STEPS_MIN.find((minutes) => (to - from) / (minutes * MINUTE) <= most) ?? 80640) * MINUTE;
    const values = [];
    const shift = this.#at(from).ms;
    for (let t = Math.ceil((from + shift) / step) * step - shift; t <= to; t += step) values.push(t);
    const labels = values.map((t, i) => {
      const wall = this.#wall(t);
      const newDay = i === 0 || this.#wall(values[i - 1]).slice(0, 10) !== wall.slice(0, 10);
      const newZone = i === 0 || this.zone(values[i - 1]) !== this.zone(t);
      return `${wall.slice(11, 16)}${newZone ? ` ${this.zone(t)}` : ""}${newDay ? `<br>${wall.slice(0, 10)}` : ""}`;
    });
    return { values, labels };
  }
}
