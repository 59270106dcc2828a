// A picture that may be old says so within five seconds and lets nobody decide on it.

const LIMIT_MS = 4000;

export function guardStaleness(live) {
  const banner = document.getElementById("stale");
  const started = performance.now();
  const check = () => {
    live.check();
    const lost = live.ended ?? (!live.connected || (live.follows && live.silence > LIMIT_MS));
    const waiting = performance.now() - started < LIMIT_MS && !live.ended;
    show(banner, lost && !waiting ? live.ended ?? true : false);
  };
  live.addEventListener("heard", check);
  setInterval(check, 500);
}

function show(banner, lost) {
  const stale = lost !== false;
  if (stale !== banner.hidden) return;
  banner.textContent = lost === 4401 ? banner.dataset.ended : lost === 4403 ? banner.dataset.denied : banner.dataset.lost;
  banner.hidden = !stale;
  document.documentElement.classList.toggle("stale", stale);
  document.getElementById("main").inert = stale;
  document.dispatchEvent(new CustomEvent(stale ? "apc:stale" : "apc:fresh"));
}
