/* A lane per person over time. Each column of pixels shows the worst state of its frames. */

const RULER = 22, ROW = 30, NAMES = () => element("names").offsetWidth;

class Lanes {
  #canvas = element("lanes");
  #scroll = element("scroll");
  #pen = this.#canvas.getContext("2d");
  #marks = element("marks"); // elements over the canvas, which stays as it is while they move
  #drawn = ""; // what the canvas shows, to draw it only when that changes
  #drag = null;
  start = 0; // the first place in view, and how many are
  span = 1;
  actions = { seek() {}, pick() {}, redraw() {} };

  constructor(view) {
    this.view = view;
    const canvas = this.#canvas;
    this.#scroll.addEventListener("scroll", () => this.actions.redraw());
    new ResizeObserver(() => this.actions.redraw()).observe(this.#scroll);
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.#drag = true;
      this.#pick(event);
      this.#seek(event);
    });
    canvas.addEventListener("pointermove", (event) => this.#drag && this.#seek(event));
    canvas.addEventListener("pointerup", () => (this.#drag = null));
    canvas.addEventListener("pointercancel", () => (this.#drag = null));
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  get #count() {
    return this.view.clip.frames.length;
  }

  whole() {
    [this.start, this.span] = [0, Math.max(1, this.#count)];
  }

  #width() {
    return Math.max(1, this.#scroll.clientWidth - NAMES());
  }

  #placeAt(event) {
    const x = event.clientX - this.#canvas.getBoundingClientRect().left;
    return Math.min(this.#count - 1, Math.max(0, Math.floor(this.start + (x / this.#width()) * this.span)));
  }

  #seek(event) {
    this.actions.seek(this.#placeAt(event));
  }

  #pick(event) {
    const y = event.clientY - this.#canvas.getBoundingClientRect().top;
    const row = Math.floor((y - RULER + (y < RULER ? NaN : this.#scroll.scrollTop)) / ROW);
    const track = this.view.clip.tracks[row];
    if (track) this.actions.pick(track);
  }

  #wheel(event) {
    if (event.ctrlKey || event.altKey) {
      event.preventDefault();
      this.zoom(Math.exp(event.deltaY / 300), this.#placeAt(event));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      this.#show(this.start + ((event.deltaX || event.deltaY) / this.#width()) * this.span);
    }
  }

  /* Shows more or fewer frames, with one of them where it is. */
  zoom(factor, around = this.view.place) {
    const span = Math.min(this.#count, Math.max(Math.min(20, this.#count), this.span * factor));
    const share = (around - this.start) / this.span;
    this.span = span;
    this.#show(around - share * span);
  }

  #show(start) {
    this.start = Math.min(Math.max(0, start), this.#count - this.span);
    this.actions.redraw();
  }

  /* Brings a frame, and the lane of a person, into view. */
  follow(place, track = null) {
    if (place < this.start || place >= this.start + this.span) this.#show(place - this.span / 2);
    if (!track) return;
    const top = this.view.clip.tracks.indexOf(track) * ROW, inside = this.#scroll.clientHeight - RULER;
    if (top < this.#scroll.scrollTop) this.#scroll.scrollTop = top;
    else if (top + ROW > this.#scroll.scrollTop + inside) this.#scroll.scrollTop = top + ROW - inside;
  }

  draw() {
    const canvas = this.#canvas, ratio = window.devicePixelRatio;
    const [cssWidth, cssHeight] = [this.#width(), this.#scroll.clientHeight];
    const [width, height] = [Math.round(cssWidth * ratio), Math.round(cssHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) {
      [canvas.width, canvas.height] = [width, height];
      for (const one of [canvas, this.#marks]) [one.style.width, one.style.height] = [`${cssWidth}px`, `${cssHeight}px`];
      this.#drawn = "";
    }
    for (const one of [canvas, this.#marks]) one.style.transform = `translateY(${this.#scroll.scrollTop}px)`; // the lanes scroll, these stay
    const { revision, selected } = this.view;
    const shown = [revision, this.start, this.span, this.#scroll.scrollTop, selected?.id].join();
    if (shown !== this.#drawn) {
      this.#drawn = shown;
      this.#drawLanes(cssWidth, cssHeight, ratio);
    }
    this.#placeMarks();
  }

  #x(place) {
    return ((place - this.start) / this.span) * this.#width();
  }

  #placeMarks() {
    const { range, place } = this.view, [chosen, head] = this.#marks.children;
    head.style.transform = `translateX(${Math.round(this.#x(place + 0.5)) - 0.75}px)`;
    chosen.hidden = !range;
    if (!range) return;
    const [left, right] = [this.#x(range[0]), this.#x(range[1] + 1)];
    chosen.style.transform = `translateX(${left}px)`;
    chosen.style.width = `${Math.max(2, right - left)}px`;
  }

  #drawLanes(width, height, ratio) {
    const pen = this.#pen, { tracks } = this.view.clip;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const scrolled = this.#scroll.scrollTop;
    const first = Math.max(0, Math.floor(scrolled / ROW));
    const last = Math.min(tracks.length - 1, Math.floor((scrolled + height - RULER) / ROW));
    for (let row = first; row <= last; row++) {
      const top = RULER + row * ROW - scrolled;
      if (tracks[row] === this.view.selected) {
        pen.fillStyle = "#e8effc";
        pen.fillRect(0, top, width, ROW);
      }
      this.#drawLane(pen, tracks[row], top, width, ratio);
    }
    this.#drawDoubts(pen, first, last, scrolled, width);
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, RULER);
    this.#drawRuler(pen, width);
  }

  #drawLane(pen, track, top, width, ratio) {
    const step = 1 / ratio, perStep = (this.span / width) * step;
    const [middle, half] = [top + ROW / 2, 6];
    const paint = (state, from, to) => {
      if (state === MISSING) {
        pen.fillStyle = "#b6bdc9";
        pen.fillRect(from, middle - 1, to - from, 2);
      } else if (state === FILLED) {
        pen.strokeStyle = track.colour;
        pen.lineWidth = 1.5;
        pen.strokeRect(from + 0.75, middle - half + 0.75, Math.max(0.1, to - from - 1.5), 2 * half - 1.5);
      } else if (state === SEEN) {
        pen.fillStyle = track.colour;
        pen.fillRect(from, middle - half, to - from, 2 * half);
      }
    };
    let [from, state] = [0, 0];
    const columns = Math.ceil(width / step);
    for (let column = 0; column <= columns; column++) {
      const now = column === columns ? 0 : this.#stateOf(track, this.start + column * perStep, perStep);
      if (now === state) continue;
      if (state) paint(state, from, column * step);
      [from, state] = [column * step, now];
    }
  }

  /* The worst state of the frames from a place on; 0 where the person is not there yet or any more. */
  #stateOf(track, place, count) {
    let from = Math.floor(place), to = Math.max(from, Math.ceil(place + count) - 1);
    if (count < 1) to = from;
    from = Math.max(from, track.first) - track.first;
    to = Math.min(to, track.last) - track.first;
    let worst = 0;
    for (let at = from; at <= to; at++) {
      const state = track.states[at];
      if (worst === 0 || state < worst) worst = state;
    }
    return worst;
  }

  #drawDoubts(pen, first, last, scrolled, width) {
    const drawn = new Set(); // those that would lie on one another are drawn once
    pen.beginPath();
    for (const doubt of this.view.clip.doubts) {
      if (doubt.checked) continue;
      const x = this.#x((doubt.first + doubt.last + 1) / 2);
      if (x < -5 || x > width + 5) continue;
      for (const number of doubt.people) {
        const row = this.view.rowOf.get(number);
        if (row === undefined || row < first || row > last) continue;
        const spot = row * 1e5 + Math.round(x / 3);
        if (drawn.has(spot)) continue;
        drawn.add(spot);
        const top = RULER + row * ROW - scrolled + 1;
        pen.moveTo(x - 4, top);
        pen.lineTo(x + 4, top);
        pen.lineTo(x, top + 7);
      }
    }
    pen.fillStyle = "#b54708";
    pen.fill();
  }

  #drawRuler(pen, width) {
    const { times } = this.view.clip;
    pen.fillStyle = "#e3e7ed";
    pen.fillRect(0, RULER - 1, width, 1);
    pen.fillStyle = "#667085";
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    const perSecond = times.length > 1 ? (times.length - 1) / (times.at(-1) - times[0]) : 1;
    const seconds = this.span / perSecond;
    const step = [0.04, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].find((one) => (seconds / one) * 70 < width) ?? 7200;
    const begin = times[Math.floor(this.start)];
    for (let time = Math.ceil(begin / step) * step; time <= begin + seconds; time += step) {
      const x = this.#x(placeOfTime(times, time));
      pen.fillRect(x, RULER - 5, 1, 4);
      pen.fillText(clock(time, step < 1), x + 4, RULER / 2);
    }
  }
}

/* The place of a time between those of frames, as a fraction. */
function placeOfTime(times, time) {
  let low = 0, high = times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < time) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 0 : low - Math.max(0, times[low] - time) / (times[low] - times[low - 1]);
}

function clock(seconds, fine) {
  const [whole, rest] = [Math.floor(seconds + 1e-6), seconds - Math.floor(seconds + 1e-6)];
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const digits = (number) => String(number).padStart(2, "0");
  const text = hours ? `${hours}:${digits(minutes)}:${digits(whole % 60)}` : `${minutes}:${digits(whole % 60)}`;
  return fine ? text + Math.abs(rest).toFixed(2).slice(1) : text;
}
