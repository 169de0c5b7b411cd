/* The clip: people as typed arrays, as `pack_track` of tracks.py lays them out. */

const element = (id) => document.getElementById(id);

/* States of a person in a frame. */
const MISSING = 1, FILLED = 2, SEEN = 3;

/* Origins of joints, as in refine/clip.py. */
const ORIGIN_MISSING = 0, ORIGIN_FILLED = 3;

/* A picture that has not come by then is asked for again. */
const PICTURE_MS = 20000;

function unpackTrack(told, buffer, jointCount) {
  const count = told.length;
  const view = (Type, start, size) => new Type(buffer, start, size);
  let start = 0;
  const next = (Type, size) => {
    const array = view(Type, start, size);
    start += array.byteLength;
    return array;
  };
  const track = {
    ...told,
    frames: next(Int32Array, count),
    boxes: next(Float32Array, count * 4),
    joints: next(Float32Array, count * jointCount * 2),
    scores: next(Uint8Array, count * jointCount),
    origins: next(Uint8Array, count * jointCount),
  };
  track.first = track.frames[0];
  track.last = track.frames[count - 1];
  track.states = statesOf(track, jointCount);
  return track;
}

/* A state for every frame from the first to the last. */
function statesOf(track, jointCount) {
  const states = new Uint8Array(track.last - track.first + 1).fill(MISSING);
  for (let row = 0; row < track.frames.length; row++) {
    let state = MISSING;
    for (let cell = row * jointCount; cell < (row + 1) * jointCount; cell++) {
      const origin = track.origins[cell];
      if (origin === ORIGIN_MISSING) continue;
      state = origin === ORIGIN_FILLED ? Math.max(state, FILLED) : SEEN;
      if (state === SEEN) break;
    }
    states[track.frames[row] - track.first] = state;
  }
  return states;
}

/* The row of a frame's place, or -1. */
function rowAt(track, place) {
  const { frames, first, last } = track;
  if (place < first || place > last) return -1;
  if (frames[place - first] === place) return place - first; // no gap before
  let low = 0, high = frames.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (frames[middle] < place) low = middle + 1;
    else high = middle;
  }
  return frames[low] === place ? low : -1;
}

/* Fetches what the server has, and keeps arrays that have not changed. */
class Source {
  #kept = new Map();
  #packed = JSON.parse(document.getElementById("packed")?.textContent ?? "null"); // in a page for looking only

  get live() {
    return this.#packed === null;
  }

  async clip(address = "clip") {
    if (!this.live) return this.#unpacked(this.#packed.clip);
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(await answer.text());
    return this.#unpacked(await answer.json());
  }

  async send(request, version) {
    const answer = await fetch("edits", {
      method: "POST",
      headers: { "Content-Type": "application/json", "If-Match": `"${version}"` },
      body: JSON.stringify(request),
    });
    if (!answer.ok) throw Object.assign(new Error(await answer.text()), { status: answer.status });
  }

  async #unpacked(told) {
    const kept = new Map();
    const jointCount = told.skeleton.joints.length;
    told.tracks = await Promise.all(
      told.tracks.map(async (one) => {
        const before = this.#kept.get(one.key);
        const track = before
          ? { ...before, ...one }
          : unpackTrack(one, await this.#arrays(one.key), jointCount);
        kept.set(one.key, track);
        return track;
      }),
    );
    this.#kept = kept;
    return told;
  }

  async #arrays(key) {
    if (!this.live) return decoded(this.#packed.tracks[key]).buffer;
    const answer = await fetch(`track?key=${key}`);
    if (!answer.ok) throw new Error(await answer.text());
    return answer.arrayBuffer();
  }

  async picture(number) {
    const packed = this.#packed?.pictures[number];
    if (!this.live) return packed ? createImageBitmap(new Blob([decoded(packed)])) : null;
    const answer = await fetch(`frame?number=${number}`, { signal: AbortSignal.timeout(PICTURE_MS) });
    if (answer.status === 404) return null;
    if (!answer.ok) throw new Error(answer.statusText); // asked for again
    return createImageBitmap(await answer.blob());
  }

  portrait(track) {
    if (this.live) return `person?key=${track.key}`;
    const packed = this.#packed.people[track.key];
    return packed ? `data:image/jpeg;base64,${packed}` : "data:,";
  }
}

const decoded = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
