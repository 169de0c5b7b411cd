/* Repairs: each is sent to the server, which saves it; the page then shows what has become of the tracks. */

class Repairs {
  #pending = null; // a repair that waits for another person
  #waiting = []; // requests made while another is being saved
  #busy = false;

  constructor(view, source, reload) {
    this.view = view;
    this.source = source;
    this.reload = reload;
  }

  get choosing() {
    return this.#pending !== null;
  }

  get busy() {
    return this.#busy;
  }

  async send(request) {
    if (!this.view.editable) return say(source.live ? "The second pass is for looking only: press R to go back to the tracks, and repair those." : "This page is for looking only.");
    this.#waiting.push(request);
    if (this.#busy) return;
    this.#busy = true;
    try {
      while (this.#waiting.length) await this.#save(this.#waiting.shift());
    } finally {
      [this.#waiting, this.#busy] = [[], false];
    }
  }

  /* What was done after a repair that fails may mean something else without it, so it is not saved either. */
  async #save(request) {
    try {
      await this.source.send(request, this.view.clip.version);
    } catch (error) {
      say(this.#waiting.length ? `${error.message} What you did since is not saved either.` : error.message);
      this.#waiting = [];
    }
    await this.reload();
  }

  make(kind, fields) {
    return this.send({ edit: { kind, ...fields } });
  }

  /* The selected person, or a sentence. */
  #person() {
    if (!this.view.selected) say("Select a person first: click one, or press ↑ or ↓.");
    return this.view.selected;
  }

  get #frame() {
    return this.view.clip.frames[this.view.place];
  }

  /* First and last frame of the range, or the frame in view. */
  #span() {
    const [first, last] = this.view.range ?? [this.view.place, this.view.place];
    return { first: this.view.clip.frames[first], last: this.view.clip.frames[last] };
  }

  split() {
    const person = this.#person();
    if (person) this.make("split", { person: person.id, frame: this.#frame });
  }

  remove() {
    const person = this.#person();
    if (person) this.make("delete", { person: person.id });
  }

  sides() {
    const person = this.#person();
    if (person) this.make("sides", { person: person.id, ...this.#span() });
  }

  subject() {
    const person = this.#person();
    if (person) this.make("subject", { person: person.id, subject: !person.subject });
  }

  async rename() {
    const person = this.#person();
    if (!person) return;
    const name = await ask(`Name of person ${person.id}`, person.name);
    if (name !== null && name !== person.name) this.make("name", { person: person.id, name });
  }

  hide() {
    const { selected, joint, clip } = this.view;
    if (!selected || joint === null) return say("Select a joint first: click it, or press K.");
    this.make("hide", { person: selected.id, ...this.#span(), joint: clip.skeleton.joints[joint] });
  }

  moveJoint(joint, x, y) {
    const { selected, clip } = this.view, round = (value) => Math.round(value * 100) / 100;
    this.make("move", { person: selected.id, frame: this.#frame, joint: clip.skeleton.joints[joint], x: round(x), y: round(y) });
  }

  check(doubt) {
    if (doubt) this.make("check", { people: doubt.people, frame: this.view.clip.frames[doubt.at] });
  }

  undo() {
    this.send({ undo: true });
  }

  redo() {
    this.send({ redo: true });
  }

  /* Joining and exchanging ask for another person: a click, or its number and Enter. */
  begin(kind) {
    const person = this.#person();
    if (!person) return;
    if (!this.view.editable) return void this.send({});
    this.#pending = { kind, person, digits: "" };
    this.#tell();
  }

  #tell() {
    const { kind, person, digits } = this.#pending;
    const asks = { join: `Join ${nameOf(person)} with whom?`, exchange: `Exchange ${nameOf(person)} from frame ${this.#frame} on with whom?` }[kind];
    prompt(`${asks} Click the other person, or type the number and press Enter: ${digits || "…"}   (Esc cancels)`);
  }

  /* Whether a person who was picked is what a repair has waited for. */
  took(track) {
    if (!this.#pending) return false;
    if (track) this.#finish(track.id);
    return true;
  }

  /* Whether a key belongs to the question in hand. */
  key(key) {
    if (!this.#pending) return false;
    if (/^\d$/.test(key)) this.#pending.digits += key;
    else if (key === "Backspace") this.#pending.digits = this.#pending.digits.slice(0, -1);
    else if (key === "Escape") return this.cancel(), true;
    else if (key === "Enter") return this.#pending.digits && this.#finish(Number(this.#pending.digits)), true;
    else return false;
    this.#tell();
    return true;
  }

  cancel() {
    this.#pending = null;
    prompt(null);
  }

  #finish(other) {
    const { kind, person } = this.#pending;
    this.cancel();
    this.make(kind, { people: [person.id, other], ...(kind === "exchange" ? { frame: this.#frame } : {}) });
  }
}

function prompt(text) {
  element("prompt").hidden = text === null;
  element("prompt").textContent = text ?? "";
}

/* What a repair was, in words. */
function inWords(edit) {
  const span = edit.first === edit.last ? `in frame ${edit.first}` : `from frame ${edit.first} to ${edit.last}`;
  const joint = edit.joint?.replaceAll("_", " ");
  return {
    join: () => `${edit.people[0]} and ${edit.people[1]} joined`,
    split: () => `${edit.person} split at frame ${edit.frame}: ${edit.into} from there`,
    delete: () => `${edit.person} deleted`,
    exchange: () => `${edit.people[0]} and ${edit.people[1]} exchanged from frame ${edit.frame} on`,
    sides: () => `${edit.person}: left and right exchanged ${span}`,
    move: () => `${edit.person}: ${joint} moved in frame ${edit.frame}`,
    hide: () => `${edit.person}: ${joint} hidden ${span}`,
    name: () => (edit.name ? `${edit.person} named ${edit.name}` : `${edit.person}: name taken away`),
    subject: () => `${edit.person} ${edit.subject ? "marked as" : "no longer"} the subject`,
    check: () => `${edit.people.join(" and ")} checked at frame ${edit.frame}`,
  }[edit.kind]();
}
