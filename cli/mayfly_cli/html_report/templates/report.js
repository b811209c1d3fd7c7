"use strict";
// The box beside a row of the chart: the reason, phases and log of its job, from the table's row.
(() => {
  const tip = document.getElementById("tip");
  const rows = document.getElementById("rows");
  if (!rows) return;
  let shown = null;
  let leaving = 0;

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
    const place = row.getBoundingClientRect();
    const below = innerHeight - place.bottom > tip.offsetHeight + 8 || place.top < tip.offsetHeight + 8;
    const plot = row.querySelector(".plot").getBoundingClientRect();
    const left = Math.max(12, Math.min(plot.left, document.documentElement.clientWidth - tip.offsetWidth - 12));
    tip.style.left = `${scrollX + left}px`;
    tip.style.top = `${scrollY + (below ? place.bottom + 2 : place.top - tip.offsetHeight - 2)}px`;
  };

  const later = () => {
    clearTimeout(leaving);
    leaving = setTimeout(() => {
      if (!tip.matches(":hover") && !shown?.matches(":hover, :focus-visible")) hide();
    }, 200);
  };

  const on = (type, act) => rows.addEventListener(type, (event) => {
    const row = event.target.closest(".row");
    if (row) act(row);
  });
  on("pointerover", show);
  on("pointerout", later);
  on("focusin", (row) => row.matches(":focus-visible") && show(row));
  on("focusout", later);
  tip.addEventListener("pointerleave", later);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
})();
