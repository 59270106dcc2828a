// Ages that grow and countdowns that run, by the server's clock.
import { live } from "./live.js";

const OLD_S = 30;
const SOON_S = 60;
const units = new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit: "second", unitDisplay: "narrow" });
const minutes = new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit: "minute", unitDisplay: "narrow" });

export function watchClocks() { setInterval(() => tickClocks(document), 1000); }

export function tickClocks(root) {
  for (const element of root.querySelectorAll("[data-age]")) {
    const seconds = Math.max(0, (live.now - Date.parse(element.dataset.age)) / 1000);
    if (seconds < 6000) element.textContent = seconds < 100 ? units.format(Math.floor(seconds)) : minutes.format(Math.floor(seconds / 60));
    element.classList.toggle("old", seconds > OLD_S);
  }
  for (const element of root.querySelectorAll("[data-until]")) {
    const seconds = Math.max(0, (Date.parse(element.dataset.until) - live.now) / 1000);
    const metres = element.dataset.speed ? ` · ${Math.round(seconds * Number(element.dataset.speed))} m` : "";
    element.textContent = `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}${metres}`;
    element.classList.toggle("soon", seconds < SOON_S);
  }
}
