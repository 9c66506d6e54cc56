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
