/* Lists beside the picture and the lanes: people, doubts, repairs. */

const nameOf = (track) => track.name || String(track.id);
const percent = (share) => `${Math.round(share * 100)}\u00a0%`;

function make(kind, properties = {}, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

function chip(track, number) {
  const made = make("span", { className: "chip", textContent: track ? nameOf(track) : number });
  if (track) [made.style.background, made.style.color] = [track.colour, track.ink];
  return made;
}

class Lists {
  actions = { pick() {}, goTo() {}, toggle() {} };
  #portraits = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      target.src = target.dataset.src;
      this.#portraits.unobserve(target);
    }
  });

  constructor(view, source) {
    this.view = view;
    this.source = source;
    for (const tab of document.querySelectorAll("[role=tab]")) tab.addEventListener("click", () => this.show(tab.getAttribute("aria-controls")));
  }

  show(panel) {
    for (const tab of document.querySelectorAll("[role=tab]")) {
      const open = tab.getAttribute("aria-controls") === panel;
      tab.setAttribute("aria-selected", String(open));
      element(tab.getAttribute("aria-controls")).hidden = !open;
    }
  }

  /* After the clip has changed. */
  fill() {
    this.#people();
    this.#doubts();
    this.#repairs();
    this.choose();
  }

  #people() {
    const { clip } = this.view, list = element("names");
    list.replaceChildren(
      ...clip.tracks.map((track) => {
        const dot = make("span", { className: "dot" });
        dot.style.background = track.colour;
        const picture = make("img", { alt: "", onerror: (event) => event.target.removeAttribute("src") });
        if (clip.video) {
          picture.dataset.src = this.source.portrait(track);
          this.#portraits.observe(picture);
        }
        const row = make("button", { type: "button", tabIndex: -1, title: `Person ${track.id}` }, dot, picture);
        row.append(make("span", { className: "name", textContent: nameOf(track) + (track.subject ? " ★" : "") }));
        row.append(make("span", { className: "share", textContent: percent(track.seen) }));
        row.setAttribute("role", "option");
        row.dataset.id = track.id;
        row.classList.toggle("others", this.view.aside(track));
        row.addEventListener("click", () => this.actions.pick(track));
        return row;
      }),
    );
    list.style.height = `${22 + clip.tracks.length * ROW}px`;
  }

  #doubts() {
    const { clip } = this.view;
    const open = clip.doubts.filter((doubt) => !doubt.checked).length;
    element("doubt-count").textContent = open;
    const rows = clip.doubts.map((doubt, number) => this.#doubt(doubt, number));
    element("doubts").replaceChildren(...(rows.length ? rows : [make("li", { className: "empty", textContent: "Nothing is in doubt." })]));
  }

  #repairs() {
    const { edits } = this.view.clip;
    element("repair-count").textContent = edits.filter((edit) => !edit.undone).length;
    const rows = edits.map((edit, number) => {
      const button = make("button", { type: "button", title: edit.undone ? "Do it again" : "Undo it" }, make("span", { textContent: inWords(edit) }));
      button.addEventListener("click", () => this.actions.toggle(number));
      return make("li", { className: edit.undone ? "undone" : "" }, button);
    });
    const none = "Nothing has been repaired. Select a person, and press one of the keys beside the buttons.";
    element("repairs").replaceChildren(...(rows.length ? rows.reverse() : [make("li", { className: "empty", textContent: none })]));
  }

  #doubt(doubt, number) {
    const { clip, trackOf } = this.view;
    const [one, other] = doubt.people.map((id) => chip(trackOf(id), id));
    const lasts = clip.times[doubt.last] - clip.times[doubt.first];
    const tells = {
      meeting: ["", one, " and ", other, " meet: exchanged?"],
      gap: ["", one, ` lost for ${lasts.toFixed(2)} s: the same person?`],
      jump: ["", one, " moves suddenly: the same person?"],
      short: ["", one, ` seen for ${(lasts + 1e-9).toFixed(2)} s only: a person?`],
      uncertain: ["", one, ` joints uncertain for ${lasts.toFixed(2)} s`],
      filled: ["", one, ` filled in for ${lasts.toFixed(2)} s`],
    };
    const what = make("span", { className: "what" }, ...tells[doubt.kind]);
    const when = make("span", { className: "sum when", textContent: clock(clip.times[doubt.first], true) });
    when.style.textAlign = "left";
    const button = make("button", { type: "button" }, what, make("span", { className: "cost", textContent: `${doubt.cost_s.toFixed(1)} s` }), when);
    button.append(make("span", { className: "sum", textContent: doubt.checked ? "checked" : "" }));
    button.addEventListener("click", () => this.actions.goTo(number));
    return make("li", { className: doubt.checked ? "done" : "" }, button);
  }

  /* Marks the doubt that the page stands at. */
  mark(number) {
    element("doubts").querySelector("[aria-current]")?.removeAttribute("aria-current");
    const button = element("doubts").children[number]?.firstElementChild;
    button?.setAttribute("aria-current", "true");
    button?.scrollIntoView({ block: "nearest" });
  }

  /* After another person has been selected. */
  choose() {
    const { selected, clip } = this.view;
    for (const row of element("names").children) row.setAttribute("aria-selected", String(Number(row.dataset.id) === selected?.id));
    element("person").hidden = !selected;
    if (!selected) return;
    element("who").replaceChildren(chip(selected), selected.name ? `person ${selected.id}` : "", selected.subject ? " ★ subject" : "");
    const [first, last] = [clip.times[selected.first], clip.times[selected.last]];
    element("shares").textContent = `${clock(first, true)} to ${clock(last, true)} · seen ${percent(selected.seen)}, filled ${percent(selected.filled)}, missing ${percent(selected.missing)}`;
    const portrait = element("portrait");
    if (clip.video) portrait.src = this.source.portrait(selected);
    portrait.onerror = () => portrait.removeAttribute("src");
    element("actions").hidden = !this.view.editable;
  }
}
