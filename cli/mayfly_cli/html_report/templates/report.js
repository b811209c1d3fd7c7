"use strict";
// The box beside a row of the chart: the reason, phases and log of its job, from the table's row.
(() => {
  const tip = document.getElementById("tip");
  const rows = document.getElementById("rows");
  if (!rows) return;
  let shown = null;
  let leaving = 0;
  let pointer = "";
  let closedAt = null;

  const hide = () => {
    shown?.removeAttribute("aria-describedby");
    shown = null;
    tip.hidden = true;
  };

  const show = (row) => {
    clearTimeout(leaving);
    if (row === shown) return;
    hide();
    const source = document.getElementById(row.hash.slice(1));
    const parts = source.querySelectorAll(".reason, .note, .phases, .bands, .bands ~ *, .tail");
    if (!parts.length) return;
    const heading = document.createElement("strong");
    heading.textContent = row.querySelector(".name").textContent.trim();
    tip.replaceChildren(heading, ...[...parts].map((part) => part.cloneNode(true)));
    shown = row;
    row.setAttribute("aria-describedby", "tip");
    tip.hidden = false;
    const own = row.getBoundingClientRect();
    const below = innerHeight - own.bottom > tip.offsetHeight + 8 || own.top < tip.offsetHeight + 8;
    const plot = row.querySelector(".plot").getBoundingClientRect();
    const left = Math.max(12, Math.min(plot.left, document.documentElement.clientWidth - tip.offsetWidth - 12));
    tip.style.left = `${scrollX + left}px`;
    tip.style.top = `${scrollY + (below ? own.bottom + 2 : own.top - tip.offsetHeight - 2)}px`;
  };

  const later = () => {
    clearTimeout(leaving);
    leaving = setTimeout(() => {
      if (!tip.matches(":hover") && !shown?.matches(":hover, :focus-visible")) hide();
    }, 200);
  };

  const place = (event) => `${event.clientX} ${event.clientY}`;
  const on = (type, act) => rows.addEventListener(type, (event) => {
    const row = event.target.closest(".row");
    if (row) act(row, event);
  });
  // Once the box is closed by Escape, the row below it comes under a pointer that has not moved.
  on("pointerover", (row, event) => place(event) !== closedAt && show(row));
  on("pointerout", later);
  on("focusin", (row) => row.matches(":focus-visible") && show(row));
  on("focusout", later);
  tip.addEventListener("pointerleave", later);
  document.addEventListener("pointermove", (event) => {
    pointer = place(event);
    if (pointer !== closedAt) closedAt = null;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    closedAt = pointer;
    hide();
  });
})();
