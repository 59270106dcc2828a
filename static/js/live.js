// One socket a page. It only brings: a snapshot, then deltas; a hole in the sequence is asked for, never skipped.

const LONGEST_WAIT_MS = 15000;
const SILENT_MS = 4500; // ticks come every 2 s
const RIGHTS_CHANGED = 4409;

class Live extends EventTarget {
  #socket = null;
  #streams = new Map(); // name -> { seq, listeners }
  #attempt = 0;
  #heard = performance.now();
  #skew = 0;
  #epoch = null;
  #ended = null; // why not to come back

  /**
   * Follow a stream; `listener` gets {type: "snapshot" | "points", points}. `since` is the number up to which the page
   * already shows it; without one the first picture is sent. Returns a function that stops it.
   */
  follow(name, listener, since = null) {
    const stream = this.#streams.get(name) ?? { seq: since, listeners: new Set() };
    stream.listeners.add(listener);
    this.#streams.set(name, stream);
    stream.seq = since === null ? null : Math.min(stream.seq ?? since, since);
    this.#ask(name);
    return () => {
      stream.listeners.delete(listener);
      if (stream.listeners.size) return;
      this.#streams.delete(name);
      this.#say({ type: "unsub", stream: name });
    };
  }

  open() {
    if (this.#socket || this.#ended) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws/v1/live`);
    this.#socket = socket;
    socket.onmessage = (event) => socket === this.#socket && this.#take(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.#socket && this.#closed(event.code);
    this.#heard = performance.now();
  }

  /** Milliseconds since the server was last heard. */
  get silence() { return performance.now() - this.#heard; }
  /** Whether anything is awaited: a page that follows nothing hears nothing. */
  get follows() { return this.#streams.size > 0; }
  get ended() { return this.#ended; }
  get connected() { return this.#socket?.readyState === WebSocket.OPEN; }
  /** The server's clock, epoch milliseconds. */
  get now() { return Date.now() + this.#skew; }

  /** A socket that says nothing is half open: give it up and try another. */
  check() {
    if (this.connected && this.follows && this.silence > 2 * SILENT_MS) this.#drop();
    else if (this.#socket?.readyState === WebSocket.CONNECTING && this.silence > LONGEST_WAIT_MS) this.#drop();
  }

  #take(message) {
    this.#heard = performance.now();
    if (message.server_time) this.#skew = Date.parse(message.server_time) - Date.now();
    if (message.type === "hello") this.#hello(message);
    else if (message.type === "bye") this.#ended = message.code;
    else this.#deliver(message);
    this.dispatchEvent(new Event("heard"));
  }

  #hello({ epoch }) {
    if (this.#epoch !== null && this.#epoch !== epoch) for (const stream of this.#streams.values()) stream.seq = null;
    this.#epoch = epoch;
    this.#attempt = 0;
    for (const name of this.#streams.keys()) this.#ask(name);
  }

  #deliver(message) {
    if (message.type === "resync" && !message.stream) return this.#askAll();
    const stream = this.#streams.get(message.stream);
    if (!stream) return;
    if (message.type === "resync") return this.#resync(message, stream);
    if (message.type === "tick") {
      if (stream.seq !== null && stream.seq < message.head_seq) this.#ask(message.stream);
      return;
    }
    if (message.type === "points") {
      if (stream.seq === null || message.seq_to <= stream.seq) return;
      if (message.seq_from > stream.seq + 1) return this.#ask(message.stream);
      message.points = message.points.filter((point) => point.seq > stream.seq);
    }
    stream.seq = message.seq_to;
    for (const listener of stream.listeners) listener(message);
  }

  #resync(message, stream) {
    if (message.reason === "ahead") stream.seq = null; // a snapshot follows
    else if (message.reason === "too_far") { stream.seq = null; this.#ask(message.stream); }
  }

  #askAll() { for (const name of this.#streams.keys()) this.#ask(name); }
  #ask(name) { if (this.#epoch) this.#say({ type: "sub", stream: name, since: this.#streams.get(name)?.seq ?? null }); }
  #say(message) { if (this.connected) this.#socket.send(JSON.stringify(message)); }
  #drop() { const socket = this.#socket; this.#closed(1006); socket.close(); }

  #closed(code) {
    this.#socket = null;
    if ([4401, 4403].includes(code)) this.#ended = code;
    this.dispatchEvent(new Event("lost"));
    if (this.#ended === 4401 || this.#ended === 4403) return;
    if (code === RIGHTS_CHANGED) return this.dispatchEvent(new Event("rights"));
    this.#ended = null;
    const reach = Math.min(LONGEST_WAIT_MS, 500 * 2 ** this.#attempt++);
    setTimeout(() => this.open(), reach * (0.5 + Math.random() / 2)); // jitter: a restart must not bring all at once
  }
}

export const live = new Live();
