// Keys for the desk; `?` lists them. A station may switch them off.

const goes = { o: "/", i: "/inbox/" };

if (document.documentElement.dataset.keys === "on") {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input, select, textarea")) return;
    const list = document.getElementById("keys");
    if (event.key === "?") list.open ? list.close() : list.showModal();
    else if (goes[event.key] && !list.open) location.assign(goes[event.key]);
    else if (event.key === "l") document.querySelector("apc-chart")?.followLive();
  });
}
