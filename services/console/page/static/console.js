// What pages need beyond HTML, htmx and its server-sent events.
"use strict";
document.addEventListener("submit", (event) => {
  const ask = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (ask && !window.confirm(ask)) event.preventDefault();
});
// A list that follows what is new stays at its end, unless somebody has scrolled up.
const atEnd = (list) => list.scrollHeight - list.scrollTop - list.clientHeight < 80;
const follow = () => document.querySelectorAll("[data-follow]").forEach((list) => {
  if (list.dataset.held !== "true") list.scrollTop = list.scrollHeight;
});
document.addEventListener("scroll", (event) => {
  const list = event.target;
  if (list instanceof HTMLElement && list.hasAttribute("data-follow")) list.dataset.held = String(!atEnd(list));
}, true);
document.addEventListener("htmx:afterSettle", follow);
document.addEventListener("DOMContentLoaded", follow);
// A page that nobody sees reads nothing: it looks again when it is seen.
const missed = new Set();
document.addEventListener("htmx:beforeRequest", (event) => {
  if (!document.hidden || event.detail.requestConfig?.triggeringEvent?.type !== "sse:changed") return;
  event.preventDefault();
  missed.add(event.detail.elt);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  missed.forEach((element) => window.htmx.trigger(element, "sse:changed"));
  missed.clear();
});
// Cells of tables carry the heading of their column, for phones, where a row is shown as a
// card; and the roles of a table, which that would take from them.
const label = () => document.querySelectorAll(".scroll > table").forEach((table) => {
  const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
  if (!heads.length) return;
  table.classList.add("labelled");
  table.setAttribute("role", "table");
  table.querySelectorAll("thead, tbody").forEach((part) => part.setAttribute("role", "rowgroup"));
  table.querySelectorAll("tr").forEach((row) => row.setAttribute("role", "row"));
  table.querySelectorAll("th").forEach((head) => head.setAttribute("role", "columnheader"));
  table.querySelectorAll("tbody tr").forEach((row) => [...row.cells].forEach((cell, i) => {
    cell.setAttribute("role", "cell");
    cell.classList.toggle("none", !cell.firstElementChild && !cell.textContent.trim());
    if (heads[i] && cell.colSpan === 1) cell.dataset.label = heads[i];
  }));
});
document.addEventListener("htmx:afterSettle", label);
document.addEventListener("DOMContentLoaded", label);
// A list is filtered by the names of what is in it, while one is typed: Escape shows all.
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-filter]").forEach((field) => {
  const place = field.closest(".filter"), all = [...document.querySelectorAll(field.dataset.filter)];
  const filter = () => {
    const words = field.value.toLowerCase().split(/[\s_]+/).filter(Boolean);
    for (const item of all) item.hidden = !words.every((word) => item.id.includes(word));
    const left = all.filter((item) => !item.hidden);
    for (const group of new Set(all.map((item) => item.parentElement))) group.hidden = !left.some((item) => item.parentElement === group);
    place.querySelector("output").value = words.length ? `${left.length} of ${all.length}` : "";
  };
  place.hidden = false;
  field.addEventListener("input", filter);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !field.value) return;
    field.value = "";
    filter();
  });
  filter();
}));
