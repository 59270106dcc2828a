// The lane page: the chart is loaded only where there is one, and the capability is that of the window it shows.
import "./chart.js";

const EVERY_MS = 30000;
const capability = document.getElementById("capability");

function follow() {
  capability.setAttribute("src", capability.getAttribute("src").split("?")[0] + location.search);
  capability.refresh();
}

if (capability) {
  customElements.whenDefined("apc-fragment").then(follow); // the page does not wait for it
  document.addEventListener("apc:range", follow);
  setInterval(() => capability.refresh(), EVERY_MS);
}
