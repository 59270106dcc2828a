// Every page: the socket, fragments that keep themselves fresh, ages and countdowns, keys, decisions.
import "./fragment.js";
import "./decide.js";
import "./keys.js";
import "./sign.js";
import { watchClocks } from "./clocks.js";
import { live } from "./live.js";
import { guardStaleness } from "./stale.js";

guardStaleness(live);
watchClocks();
live.addEventListener("rights", () => location.reload()); // once: the next page has a socket with the rights of now
live.open();
