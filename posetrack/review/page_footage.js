/* Pictures by frame number: the wanted one first, then those around it; never the picture of another frame. */

const TRIES = 5;
const RETRY_MS = 300;

class Footage {
  #source;
  #kept = new Map();
  #wanted = null;
  #busy = false;
  #most;
  arrived = () => {};

  constructor(source, size) {
    this.#source = source;
    this.#most = Math.max(24, Math.min(160, Math.floor(2.5e8 / (Math.min(size[0], 1600) * Math.min(size[1], 1600) * 4))));
  }

  /* The picture of a frame, null if the video lacks it, undefined while it is not there. */
  get(number) {
    const picture = this.#kept.get(number);
    if (picture !== undefined) {
      this.#kept.delete(number); // the last used stays longest
      this.#kept.set(number, picture);
    }
    return picture;
  }

  /* Asks for a frame, and after it for others; a newer wish replaces an older one. */
  want(numbers) {
    this.#wanted = numbers;
    if (!this.#busy) this.#work();
  }

  async #work() {
    this.#busy = true;
    let number;
    let failures = 0;
    while ((number = this.#wanted.find((one) => !this.#kept.has(one))) !== undefined) {
      let picture = null;
      try {
        picture = await this.#source.picture(number);
      } catch {
        if (++failures === TRIES) break; // the server has gone, which the events tell
        await new Promise((again) => setTimeout(again, RETRY_MS));
        continue;
      }
      failures = 0;
      this.#kept.set(number, picture);
      while (this.#kept.size > this.#most) {
        const [oldest, old] = this.#kept.entries().next().value;
        this.#kept.delete(oldest);
        old?.close();
      }
      this.arrived(number);
    }
    this.#busy = false;
  }
}
