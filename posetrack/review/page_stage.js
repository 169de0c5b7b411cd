/* The picture with skeletons on it. Coordinates are source pixels, (0, 0) at the centre of the top-left one. */

const WIDEST = 4; // CSS pixels of a limb: under wider ones, in an enlarged picture, nobody sees where a joint belongs

class Stage {
  #canvas = element("picture");
  #pen = this.#canvas.getContext("2d");
  #zoom = 1; // 1 fits the picture into the canvas
  #centre = null; // source pixels in the middle of the canvas
  #grab = null;
  #labels = []; // where those of this frame are
  actions = { pick() {}, pickJoint() {}, moveJoint() {}, redraw() {} };

  constructor(view) {
    this.view = view;
    const canvas = this.#canvas;
    new ResizeObserver(() => this.actions.redraw()).observe(canvas);
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", () => (this.#grab = null));
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  /* From source pixels to CSS pixels of the canvas: x * scale + left. */
  #frame() {
    const [width, height] = this.view.clip.size;
    const { clientWidth, clientHeight } = this.#canvas;
    const scale = Math.min(clientWidth / width, clientHeight / height) * this.#zoom;
    const [x, y] = this.#centre ?? [(width - 1) / 2, (height - 1) / 2];
    return { scale, left: clientWidth / 2 - x * scale, top: clientHeight / 2 - y * scale };
  }

  /* Where a point of the picture is on the page, for tests and for whoever drives the page by script. */
  place(x, y) {
    const { scale, left, top } = this.#frame();
    const corner = this.#canvas.getBoundingClientRect();
    return [corner.left + left + x * scale, corner.top + top + y * scale];
  }

  #point(event) {
    const { scale, left, top } = this.#frame();
    const corner = this.#canvas.getBoundingClientRect();
    return { x: (event.clientX - corner.left - left) / scale, y: (event.clientY - corner.top - top) / scale, reach: 9 / scale };
  }

  fit() {
    [this.#zoom, this.#centre] = [1, null];
    this.actions.redraw();
  }

  /* Larger or smaller, with the selected joint or person in the middle. */
  magnify(factor) {
    this.#scale(factor);
    if (this.#zoom > 1) this.#centre = this.#chosen() ?? this.#centre;
    this.actions.redraw();
  }

  #scale(factor) {
    const [width, height] = this.view.clip.size;
    this.#zoom = Math.min(24, Math.max(1, this.#zoom * factor));
    this.#centre = this.#zoom === 1 ? null : (this.#centre ?? [(width - 1) / 2, (height - 1) / 2]);
  }

  /* Where the selected joint is, or the middle of the selected person; null for nobody. */
  #chosen() {
    const { clip, selected, place, joint } = this.view, row = selected ? rowAt(selected, place) : -1;
    if (row < 0) return null;
    const cell = (row * clip.skeleton.joints.length + joint) * 2, [x1, y1, x2, y2] = selected.boxes.subarray(row * 4, row * 4 + 4);
    const known = joint !== null && !Number.isNaN(selected.joints[cell]);
    return known ? [...selected.joints.subarray(cell, cell + 2)] : [(x1 + x2) / 2, (y1 + y2) / 2];
  }

  #wheel(event) {
    event.preventDefault();
    const before = this.#point(event);
    this.#scale(Math.exp(-event.deltaY / 400));
    const after = this.#point(event);
    if (this.#centre) this.#centre = [this.#centre[0] + before.x - after.x, this.#centre[1] + before.y - after.y];
    this.actions.redraw();
  }

  #down(event) {
    if (event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    const point = this.#point(event);
    if (event.shiftKey && this.view.selected && this.view.joint !== null) return this.actions.moveJoint(this.view.joint, point.x, point.y);
    const joint = this.view.choosing() ? null : this.#jointAt(point);
    this.#grab = { point, joint, centre: this.#centre, moved: false };
    if (joint !== null) this.actions.pickJoint(joint);
  }

  #move(event) {
    const grab = this.#grab;
    if (!grab) return;
    const point = this.#point(event);
    grab.moved ||= Math.hypot(point.x - grab.point.x, point.y - grab.point.y) > grab.point.reach / 3;
    if (!grab.moved) return;
    if (grab.joint !== null && this.view.editable) {
      this.view.dragged = { joint: grab.joint, x: point.x, y: point.y };
    } else if (this.#zoom > 1) {
      this.#centre = [this.#centre[0] + grab.point.x - point.x, this.#centre[1] + grab.point.y - point.y];
    }
    this.actions.redraw();
  }

  #up() {
    const grab = this.#grab;
    this.#grab = null;
    const dragged = this.view.dragged;
    if (!grab) return;
    if (dragged) this.actions.moveJoint(dragged.joint, dragged.x, dragged.y);
    else if (!grab.moved && grab.joint === null) this.actions.pick(this.#personAt(grab.point));
  }

  /* The joint of the selected person under a point, or null. */
  #jointAt(point) {
    const { clip, selected, place } = this.view;
    const row = selected ? rowAt(selected, place) : -1;
    if (row < 0) return null;
    let [best, nearest] = [null, point.reach];
    for (const joint of clip.skeleton.used) {
      const cell = (row * clip.skeleton.joints.length + joint) * 2;
      const apart = Math.hypot(selected.joints[cell] - point.x, selected.joints[cell + 1] - point.y);
      if (apart < nearest) [best, nearest] = [joint, apart];
    }
    return best;
  }

  /* The person whose box holds a point; of several, the one whose middle is nearest for its size. */
  #personAt(point) {
    let [best, nearest] = [null, Infinity];
    for (const track of this.view.clip.tracks) {
      const row = rowAt(track, this.view.place);
      if (row < 0) continue;
      const [x1, y1, x2, y2] = track.boxes.subarray(row * 4, row * 4 + 4);
      const apart = Math.hypot((point.x - (x1 + x2) / 2) / (x2 - x1), (point.y - (y1 + y2) / 2) / (y2 - y1));
      if (point.x >= x1 && point.x <= x2 && point.y >= y1 && point.y <= y2 && apart < nearest) [best, nearest] = [track, apart];
    }
    return best;
  }

  draw(picture, waiting) {
    const canvas = this.#canvas, pen = this.#pen, ratio = window.devicePixelRatio;
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    const { scale, left, top } = this.#frame();
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.setTransform(scale * ratio, 0, 0, scale * ratio, left * ratio, top * ratio);
    const [sourceWidth, sourceHeight] = this.view.clip.size;
    pen.fillStyle = "#f7f8fa";
    pen.fillRect(-0.5, -0.5, sourceWidth, sourceHeight);
    if (picture) {
      pen.globalAlpha = waiting ? 0.25 : 1; // a picture of another frame is never shown as if it were this one's
      pen.imageSmoothingQuality = "high";
      pen.drawImage(picture, -0.5, -0.5, sourceWidth, sourceHeight);
      pen.globalAlpha = 1;
    }
    const { clip, place, selected } = this.view;
    const shown = clip.tracks.filter((track) => rowAt(track, place) >= 0).sort((a, b) => (a === selected) - (b === selected));
    for (const track of shown) this.#person(track, scale);
    this.#labels = [];
    for (const track of shown) this.#label(track, scale);
    pen.globalAlpha = 1;
  }

  #person(track, scale) {
    const { place, selected } = this.view;
    const row = rowAt(track, place), pen = this.#pen, chosen = track === selected;
    const [x1, y1, x2, y2] = track.boxes.subarray(row * 4, row * 4 + 4);
    const unit = Math.min(Math.max(Math.max(x2 - x1, y2 - y1) / 90, 1.2 / scale), WIDEST / scale) * (chosen ? 1.25 : 1);
    pen.globalAlpha = this.view.aside(track) ? 0.35 : 1;
    const points = this.#points(track, row, chosen);
    this.#limbs(points, unit);
    this.#joints(track, row, points, unit, scale, chosen);
    if (chosen) {
      pen.strokeStyle = track.colour;
      pen.lineWidth = 2 / scale;
      pen.setLineDash([6 / scale, 4 / scale]);
      pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
      pen.setLineDash([]);
    }
  }

  /* x and y of every joint; NaN where it is missing. The joint being dragged is where the pointer is. */
  #points(track, row, chosen) {
    const count = this.view.clip.skeleton.joints.length;
    const points = Float32Array.from(track.joints.subarray(row * count * 2, (row + 1) * count * 2));
    const dragged = this.view.dragged;
    if (chosen && dragged) [points[dragged.joint * 2], points[dragged.joint * 2 + 1]] = [dragged.x, dragged.y];
    return points;
  }

  #limbs(points, unit) {
    const { limbs, sides, colours } = this.view.clip.skeleton, pen = this.#pen;
    pen.lineCap = "round";
    const trace = (side) => {
      pen.beginPath();
      limbs.forEach(([one, other], number) => {
        if ((side !== null && sides[number] !== side) || Number.isNaN(points[one * 2] + points[other * 2])) return;
        pen.moveTo(points[one * 2], points[one * 2 + 1]);
        pen.lineTo(points[other * 2], points[other * 2 + 1]);
      });
    };
    trace(null);
    pen.strokeStyle = colours.outline;
    pen.lineWidth = unit * 2;
    pen.stroke();
    for (const side of ["centre", "left", "right"]) {
      trace(side);
      pen.strokeStyle = colours[side];
      pen.lineWidth = unit;
      pen.stroke();
    }
  }

  /* Joints in the person's colour; hollow where they are filled. */
  #joints(track, row, points, unit, scale, chosen) {
    const { clip, joint: current } = this.view, pen = this.#pen;
    const count = clip.skeleton.joints.length;
    const radius = Math.max(unit * 1.1, (chosen ? 3.5 : 2) / scale);
    for (const filled of [false, true]) { // all at once: a path for each joint takes ten times as long
      pen.beginPath();
      for (const joint of clip.skeleton.used) {
        const [x, y] = [points[joint * 2], points[joint * 2 + 1]];
        if (Number.isNaN(x) || (track.origins[row * count + joint] === ORIGIN_FILLED) !== filled) continue;
        pen.moveTo(x + radius, y);
        pen.arc(x, y, radius, 0, 2 * Math.PI);
      }
      pen.fillStyle = filled ? "#fff" : track.colour;
      pen.fill();
      pen.strokeStyle = filled ? track.colour : clip.skeleton.colours.outline;
      pen.lineWidth = filled ? radius * 0.6 : 0.8 / scale;
      pen.stroke();
    }
    if (chosen && current !== null && !Number.isNaN(points[current * 2])) this.#current(points[current * 2], points[current * 2 + 1], radius, scale);
  }

  /* A ring around the joint that is worked on, and its name. */
  #current(x, y, radius, scale) {
    const pen = this.#pen, { clip, joint } = this.view;
    pen.beginPath();
    pen.arc(x, y, radius + 4 / scale, 0, 2 * Math.PI);
    pen.strokeStyle = "#2463d6";
    pen.lineWidth = 2 / scale;
    pen.stroke();
    this.#tag(clip.skeleton.joints[joint].replaceAll("_", " "), x + radius + 8 / scale, y, scale);
  }

  #tag(text, x, y, scale) {
    const pen = this.#pen;
    pen.font = `500 ${12 / scale}px system-ui, sans-serif`;
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    pen.strokeStyle = "#fff";
    pen.lineJoin = "round";
    pen.lineWidth = 4 / scale;
    pen.strokeText(text, x, y);
    pen.fillStyle = "#1a1f29";
    pen.fillText(text, x, y);
  }

  /* Where a label covers no other: the place nearest to its own, above or below, inside the picture. */
  #free(x, y, width, height) {
    const lowest = this.view.clip.size[1] - height, near = this.#labels.filter((one) => x < one.x + one.width && one.x < x + width);
    for (let n = 0; n <= near.length * 4 + 1; n++) {
      const there = y + Math.ceil(n / 2) * height * (n % 2 ? -1 : 1);
      if (there >= 0 && there <= lowest && near.every((one) => Math.abs(one.y - there) >= height)) return there;
    }
    return Math.min(y, lowest);
  }

  #label(track, scale) {
    const pen = this.#pen, height = 17 / scale, row = rowAt(track, this.view.place);
    const [left, top, right] = track.boxes.subarray(row * 4, row * 4 + 3);
    pen.globalAlpha = this.view.aside(track) ? 0.35 : 1;
    pen.font = `600 ${12 / scale}px system-ui, sans-serif`;
    const text = nameOf(track), width = pen.measureText(text).width + 9 / scale;
    const [sourceWidth] = this.view.clip.size;
    const x = Math.min(Math.max((left + right - width) / 2, 0), Math.max(0, sourceWidth - width));
    const y = this.#free(x, Math.max(top - height - 2 / scale, 0), width, height);
    this.#labels.push({ x, y, width });
    pen.fillStyle = track.colour;
    pen.beginPath();
    pen.roundRect(x, y, width, height, 4 / scale);
    pen.fill();
    pen.fillStyle = track.ink;
    pen.textBaseline = "middle";
    pen.textAlign = "center";
    pen.fillText(text, x + width / 2, y + height / 2);
  }
}
