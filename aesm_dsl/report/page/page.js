"use strict";
// The button switches between light and dark; without a click, the page follows the browser.
const button = document.getElementById("theme");
button.hidden = false;
button.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
// In a picture, the lines of the box under the pointer stay; all other lines, and the boxes at their ends, fade.
for (const picture of document.querySelectorAll(".picture svg")) {
  const lines = [...picture.querySelectorAll("[data-tail]")];
  const joined = new Set(lines.flatMap((line) => [line.dataset.tail, line.dataset.head]));
  const boxes = [...picture.querySelectorAll("[data-box]")].filter((box) => joined.has(box.dataset.box));
  const show = (kept) => {
    const near = new Set(kept.flatMap((line) => [line.dataset.tail, line.dataset.head]));
    for (const line of lines) line.classList.toggle("faded", kept.length > 0 && !kept.includes(line));
    for (const box of boxes) box.classList.toggle("faded", kept.length > 0 && !near.has(box.dataset.box));
  };
  for (const line of lines) line.addEventListener("pointerenter", () => show([line]));
  for (const box of boxes) {
    const own = lines.filter((line) => line.dataset.tail === box.dataset.box || line.dataset.head === box.dataset.box);
    box.addEventListener("pointerenter", () => show(own));
  }
  picture.addEventListener("pointerleave", () => show([]));
  picture.addEventListener("click", (event) => { if (event.target.closest("[data-box], [data-tail]") === null) show([]); });
}
// The search shows the leaves whose line holds what is typed.
const search = document.getElementById("leaf-search");
if (search !== null) {
  const lines = [...document.querySelectorAll("#every-leaf tbody tr")].map((line) => [line, line.textContent.toLowerCase()]);
  const count = document.getElementById("leaf-count");
  search.hidden = false;
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
    let found = 0;
    for (const [line, text] of lines) {
      line.hidden = !words.every((word) => text.includes(word));
      found += line.hidden ? 0 : 1;
    }
    count.textContent = `${found} of ${lines.length} lines`;
  });
}
