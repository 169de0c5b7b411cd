"use strict";
(() => {
  const table = document.getElementById("clips");
  const body = document.getElementById("rows");
  const search = document.getElementById("search");
  const order = document.getElementById("sort");
  const direction = document.getElementById("direction");
  const count = document.getElementById("count");
  const nothing = document.getElementById("nothing");
  const chips = [...document.querySelectorAll(".chip")];
  const headers = new Map();
  const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

  /* Normalises text for searching: no accents, no capitals, one form per character. */
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  const rows = [...body.rows].map((element, place) => {
    const text = (selector) => [...element.querySelectorAll(selector)].map((part) => part.textContent).join(" ");
    const values = {};
    for (const cell of element.cells) {
      if (cell.dataset.value !== undefined) values[cell.classList[0]] = Number(cell.dataset.value);
    }
    const clip = text(".name");
    return { element, place, clip, values, status: element.className, text: plain(`${clip} ${element.className} ${text(".error, .warning")}`) };
  });

  let arranged = rows;

  /* Current choices. Without `sort`, rows keep the order in which they were written. */
  const view = { sort: "", order: "", search: "", status: "" };

  function compare(one, other) {
    const sign = view.order === "descending" ? -1 : 1;
    if (view.sort === "clip") return sign * names.compare(one.clip, other.clip) || one.place - other.place;
    const [first, second] = [one.values[view.sort], other.values[view.sort]];
    if (first === undefined || second === undefined) {
      return (first === undefined) - (second === undefined) || one.place - other.place;
    }
    return sign * (first - second) || one.place - other.place;
  }

  function arrange() {
    const sorted = view.sort ? [...rows].sort(compare) : [...rows];
    if (sorted.some((row, place) => row !== arranged[place])) {
      arranged = sorted;
      body.remove(); // rows move faster outside the page
      for (const row of arranged) body.append(row.element);
      table.append(body);
    }
    for (const [name, header] of headers) {
      if (name === view.sort) header.setAttribute("aria-sort", view.order);
      else header.removeAttribute("aria-sort");
    }
    order.value = view.sort;
    direction.textContent = view.order === "descending" ? "↓" : "↑";
    direction.disabled = !view.sort;
  }

  function filter() {
    const words = plain(view.search).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const wanted = (!view.status || row.status === view.status) && words.every((word) => row.text.includes(word));
      row.element.hidden = !wanted;
      shown += wanted;
    }
    for (const chip of chips) chip.setAttribute("aria-pressed", String(chip.dataset.status === view.status));
    if (search.value !== view.search) search.value = view.search;
    const total = rows.length.toLocaleString("en");
    count.textContent = shown === rows.length ? `${total} ${shown === 1 ? "clip" : "clips"}` : `${shown.toLocaleString("en")} of ${total} clips`;
    nothing.hidden = shown > 0;
    table.hidden = shown === 0;
  }

  /* The address keeps the view: #sort=frames&order=descending&search=street&status=failed */
  function remember() {
    const chosen = Object.entries(view).filter(([, value]) => value);
    const hash = new URLSearchParams(chosen).toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  }

  function recall() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const sort = asked.get("sort") ?? "";
    view.sort = headers.has(sort) ? sort : "";
    const turned = ["ascending", "descending"].includes(asked.get("order"));
    view.order = view.sort && (turned ? asked.get("order") : headers.get(sort).dataset.first);
    view.search = asked.get("search") ?? "";
    const status = asked.get("status") ?? "";
    view.status = chips.some((chip) => chip.dataset.status === status) ? status : "";
    arrange();
    filter();
  }

  function sortBy(name, turned) {
    view.sort = name;
    view.order = name && (turned || headers.get(name).dataset.first);
    arrange();
    remember();
  }

  const other = { ascending: "descending", descending: "ascending" };

  order.append(new Option("order of the run", ""));
  for (const header of document.querySelectorAll("thead th[data-first]")) {
    const name = header.classList[0];
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sortBy(name, name === view.sort ? other[view.order] : ""));
    header.append(button);
    headers.set(name, header);
    order.append(new Option(button.textContent, name));
  }
  order.addEventListener("change", () => sortBy(order.value, ""));
  direction.addEventListener("click", () => sortBy(view.sort, other[view.order]));
  search.addEventListener("input", () => {
    view.search = search.value;
    filter();
    remember();
  });
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      view.status = chip.dataset.status;
      filter();
      remember();
    });
  }

  function showEverything() {
    view.search = view.status = "";
    filter();
    remember();
    search.focus();
  }
  document.getElementById("everything").addEventListener("click", showEverything);
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, select");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.select();
    } else if (event.key === "Escape" && (view.search || view.status)) {
      showEverything();
    }
  });
  window.addEventListener("hashchange", recall);

  /* Unpacks pictures and charts when their row comes near the view: thousands at once would take long. */
  function unpack(element) {
    for (const packed of element.querySelectorAll("noscript")) {
      const drawing = document.createElement("template");
      drawing.innerHTML = packed.textContent;
      packed.replaceWith(drawing.content);
    }
  }
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        unpack(entry.target);
        watcher.unobserve(entry.target);
      }
    },
    { rootMargin: "800px" },
  );
  for (const row of rows) watcher.observe(row.element);
  window.addEventListener("beforeprint", () => rows.forEach((row) => row.element.hidden || unpack(row.element)));

  document.querySelector(".controls").hidden = false;
  recall();
})();
