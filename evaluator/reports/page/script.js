"use strict";
const said = document.getElementById("said");

// Sorting: number columns start with the highest value, text columns with A; blanks are always last.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("num");
      const now = head.getAttribute("aria-sort");
      const up = now === "none" ? !numeric : now === "descending";
      heads.forEach((h) => h.hasAttribute("aria-sort") && h.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => numeric ? row.cells[column].dataset.value : row.cells[column].textContent.trim();
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const x = key(a), y = key(b);
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = numeric ? Number(x) - Number(y) : x.localeCompare(y);
        return up ? order : -order;
      });
      table.tBodies[0].append(...rows);
      said.textContent = `Sorted by ${button.textContent.trim()}, ${up ? "ascending" : "descending"}`;
    });
  });
}

// Colours: those of the system, light, dark.
const theme = document.getElementById("theme");
const themes = ["system", "light", "dark"];
let chosen = 0;
theme.addEventListener("click", () => {
  chosen = (chosen + 1) % themes.length;
  if (chosen) document.documentElement.dataset.theme = themes[chosen];
  else delete document.documentElement.dataset.theme;
  theme.textContent = `Colours: ${themes[chosen]}`;
  theme.setAttribute("aria-label", theme.textContent);
});

// Show the classes of one model at a time; without scripts all are shown.
const select = document.getElementById("run");
if (select) {
  const pick = () => document.querySelectorAll(".run").forEach((div) => { div.hidden = div.id !== select.value; });
  select.addEventListener("change", pick);
  pick();
}

// The versions of a video start together.
function play(button, videos, on, word) {
  button.setAttribute("aria-pressed", String(on));
  button.textContent = on ? `Pause${word}` : `Play${word}`;
  for (const video of videos) {
    if (on) { video.currentTime = 0; video.play().catch(() => {}); } else video.pause();
  }
}
const cards = [...document.querySelectorAll(".card")];
for (const card of cards) {
  const button = card.querySelector(".play");
  const videos = card.querySelectorAll("video");
  button.addEventListener("click", () => play(button, videos, button.getAttribute("aria-pressed") !== "true", ""));
}
const all = document.getElementById("play");
if (all) all.addEventListener("click", () => {
  const on = all.getAttribute("aria-pressed") !== "true";
  play(all, [], on, " all");
  for (const card of cards) play(card.querySelector(".play"), card.querySelectorAll("video"), on, "");
});
