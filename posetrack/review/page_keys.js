/* Everything by keyboard. A key's name is as in KeyboardEvent.key, with "Shift+", "Alt+" and "Ctrl+" before it. */

class Keys {
  #commands = new Map();
  #keys = new Map();
  first = () => false; // is asked before anything else whether a key is its own

  constructor() {
    document.addEventListener("keydown", (event) => this.#press(event));
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-key]");
      if (button && !button.disabled) this.#commands.get(button.dataset.key)?.run();
    });
    element("help").addEventListener("click", (event) => event.target === event.currentTarget && event.currentTarget.close());
  }

  /* A command: its name, its keys, what the list of keys says, and what it does. */
  add(name, keys, says, run) {
    this.#commands.set(name, { keys, says, run });
    for (const key of keys) this.#keys.set(key, name);
  }

  run(name) {
    this.#commands.get(name)?.run();
  }

  #press(event) {
    if (event.target.matches("input") || document.querySelector("dialog[open]")) return;
    let key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const letter = /^\p{L}$/u.test(key);
    if (event.shiftKey && (letter || event.key.length > 1)) key = `Shift+${key}`;
    if (event.altKey && (letter || event.key.length > 1)) key = `Alt+${key}`; // many keyboards have [ and ] behind Alt or AltGr
    if ((event.ctrlKey || event.metaKey) && !event.getModifierState("AltGraph")) key = `Ctrl+${key}`;
    if (this.first(event.key)) return event.preventDefault();
    const name = this.#keys.get(key);
    if (!name) return;
    if (["Enter", " "].includes(event.key) && event.target.matches("aside button, header button")) return; // it presses the button
    event.preventDefault();
    this.run(name);
  }

  help() {
    const show = (key) => make("kbd", { textContent: key.replace("Arrow", "").replace(/^ $/, "Space").replace(/^[a-z]$/, (letter) => letter.toUpperCase()) });
    const rows = [...this.#commands.values()].filter(({ says }) => says).flatMap(({ keys, says }) => {
      const term = make("dt");
      keys.forEach((key, number) => term.append(number ? " " : "", ...key.split("+").filter(Boolean).flatMap((part, place) => (place ? ["+", show(part)] : [show(part)])), ...(key === "+" ? [show("+")] : [])));
      return [term, make("dd", { textContent: says })];
    });
    element("key-list").replaceChildren(...rows);
    element("help").showModal();
  }
}

/* Asks for a line of text; null if cancelled. */
function ask(question, text = "") {
  const dialog = element("ask"), answer = element("answer");
  element("question").textContent = question;
  answer.value = text;
  dialog.returnValue = "";
  dialog.showModal();
  answer.select();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok" ? answer.value.trim() : null), { once: true });
  });
}

let silence;
function say(sentence) {
  element("alert").textContent = sentence;
  element("alert").hidden = false;
  clearTimeout(silence);
  silence = setTimeout(() => (element("alert").hidden = true), 8000);
}
