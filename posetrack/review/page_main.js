/* What is shown, and how one gets about. */

const view = {
  clip: null, // what is drawn
  revision: 0,
  place: 0, // of the frame
  selected: null, // a track
  joint: null, // a slot
  range: null, // first and last place
  dragged: null,
  editable: false,
  rowOf: new Map(),
  trackOf: (id) => view.clip.tracks[view.rowOf.get(id)],
  choosing: () => repairs.choosing,
  aside: (track) => view.clip.subjects?.length > 0 && !track.subject,
};

const source = new Source();
const [keys, stage, lanes, lists] = [new Keys(), new Stage(view), new Lanes(view), new Lists(view, source)];
const repairs = new Repairs(view, source, async () => take(await source.clip()));
let footage, playing = null, doubtAt = -1, scheduled = false, whole = false, lastPicture = null, shown = null;

function redraw() {
  whole = true;
  redrawLanes();
}

/* Of what is due before the next frame: the lanes at least, which scroll under an unchanged picture. */
function redrawLanes() {
  if (scheduled || !view.clip) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    if (whole) draw();
    else lanes.draw();
    whole = false;
  });
}

function draw() {
  const { clip, place } = view;
  const picture = clip.video ? footage.get(clip.frames[place]) : null;
  if (picture !== undefined) lastPicture = picture;
  if (picture || !clip.video) shown = clip.frames[place];
  stage.draw(picture ?? lastPicture, picture === undefined);
  lanes.draw();
  const time = clip.times[place];
  element("clock").textContent = `${clock(time, true)}   frame ${clip.frames[place]}   (${place + 1} of ${clip.frames.length})`;
  element("note").textContent = clip.video && picture === null ? (source.live ? "the video does not have this frame" : "this frame has no picture here") : "";
  const { range } = view;
  element("range").textContent = range ? `range ${clip.frames[range[0]]} to ${clip.frames[range[1]]}` : "";
}

function seek(place) {
  const last = view.clip.frames.length - 1;
  view.place = Math.min(last, Math.max(0, Math.round(place)));
  view.dragged = null;
  wantPictures();
  lanes.follow(view.place);
  redraw();
}

function wantPictures() {
  const { clip, place } = view;
  if (!clip.video) return;
  const around = playing ? Array.from({ length: 16 }, (_, step) => place + step) : [place, place + 1, place - 1, place + 2, place - 2];
  footage.want(around.filter((one) => one >= 0 && one < clip.frames.length).map((one) => clip.frames[one]));
}

/* Plays at the clip's own times, and waits for a picture rather than show the skeletons over another one. */
function play() {
  if (playing) {
    cancelAnimationFrame(playing.handle);
    playing = null;
    element("play").textContent = "▶";
    return;
  }
  const { clip } = view;
  if (view.place === clip.frames.length - 1) seek(0);
  playing = { handle: 0, since: performance.now(), from: clip.times[view.place] };
  element("play").textContent = "❚❚";
  const step = (now) => {
    let place = view.place;
    const due = playing.from + (now - playing.since) / 1000;
    while (place < clip.frames.length - 1 && clip.times[place + 1] <= due) {
      if (clip.video && footage.get(clip.frames[place + 1]) === undefined) {
        playing.since = now;
        playing.from = clip.times[place];
        wantPictures();
        break;
      }
      place += 1;
    }
    if (place !== view.place) seek(place);
    if (place === clip.frames.length - 1) return play();
    playing.handle = requestAnimationFrame(step);
  };
  playing.handle = requestAnimationFrame(step);
  wantPictures();
}

function select(track) {
  view.selected = track ?? null;
  view.joint = null;
  if (track) lanes.follow(view.place, track);
  lists.choose();
  redraw();
}

/* A person was clicked: what a repair has waited for, or whom to look at. */
function pick(track) {
  if (!repairs.took(track)) select(track);
}

function nextJoint(step) {
  const { selected, clip, joint } = view;
  if (!selected) return say("Select a person first: click one, or press ↑ or ↓.");
  const { used } = clip.skeleton, at = used.indexOf(joint);
  view.joint = used[at < 0 ? (step > 0 ? 0 : used.length - 1) : (at + step + used.length) % used.length];
  view.dragged = null;
  redraw();
}

/* Moves the joint in view only; Enter sets it there. A joint that is missing starts from the middle of the box. */
function nudge(x, y) {
  const { selected, joint, clip, place } = view, row = selected ? rowAt(selected, place) : -1;
  if (!view.editable || joint === null || row < 0) return say("Select a joint first: click it, or press K.");
  const cell = (row * clip.skeleton.joints.length + joint) * 2, box = selected.boxes.subarray(row * 4, row * 4 + 4);
  const known = !Number.isNaN(selected.joints[cell]);
  const from = view.dragged ?? (known ? { x: selected.joints[cell], y: selected.joints[cell + 1] } : { x: (box[0] + box[2]) / 2, y: (box[1] + box[3]) / 2 });
  view.dragged = { joint, x: from.x + x, y: from.y + y };
  prompt("Enter sets the joint here, Esc puts it back.");
  redraw();
}

function setJoint() {
  if (!view.dragged) return;
  const { joint, x, y } = view.dragged;
  prompt(null);
  repairs.moveJoint(joint, x, y);
}

function cancel() {
  prompt(null);
  if (view.dragged) view.dragged = null;
  else if (view.range || view.joint !== null) [view.range, view.joint] = [null, null];
  else return select(null);
  redraw();
}

/* To the clip as the second pass makes it of the repairs, and back. */
async function secondPass() {
  const there = element("second").getAttribute("aria-pressed") === "true";
  if (!there) prompt("The second pass is at work …");
  try {
    take(await source.clip(there ? "clip" : "refined"));
  } catch (error) {
    say(error.message);
  }
  prompt(null);
}

function neighbour(step) {
  const { tracks } = view.clip;
  if (!tracks.length) return;
  const row = view.selected ? tracks.indexOf(view.selected) + step : 0;
  select(tracks[Math.min(tracks.length - 1, Math.max(0, row))]);
}

function goToDoubt(number) {
  const { doubts } = view.clip;
  if (!doubts.length) return;
  doubtAt = (number + doubts.length) % doubts.length;
  const doubt = doubts[doubtAt];
  lists.show("doubts");
  lists.mark(doubtAt);
  select(view.trackOf(doubt.people[0]));
  seek(doubt.at);
}

async function goToFrame() {
  const answer = await ask("Frame");
  if (answer === null) return;
  const place = view.clip.frames.indexOf(Number(answer));
  if (answer === "" || place < 0) say(`There is no frame ${answer}; the frames are ${view.clip.frames[0]} to ${view.clip.frames.at(-1)}.`);
  else seek(place);
}

function mark(end) {
  const [from, to] = view.range ?? [view.place, view.place];
  view.range = end === 0 ? [view.place, Math.max(view.place, to)] : [Math.min(from, view.place), view.place];
  redraw();
}

/* Whether two versions of the clip have the same doubt: a repair may move it by a few frames. */
const same = (one, other) => one.kind === other.kind && String(one.people) === String(other.people) && Math.abs(one.at - other.at) <= 5;

/* Takes another version of the clip, and stays where it is as far as that goes. */
function take(clip) {
  const first = view.clip === null, id = view.selected?.id, doubt = view.clip?.doubts[doubtAt];
  view.clip = clip;
  view.editable = clip.editable;
  view.dragged = null;
  view.revision += 1;
  for (const id of ["undo", "redo", "second", "tab-repairs"]) element(id).hidden = !source.live;
  element("second").setAttribute("aria-pressed", String(!clip.editable));
  element("undo").disabled = !(clip.editable && clip.undoable);
  element("redo").disabled = !(clip.editable && clip.redoable);
  view.rowOf = new Map(clip.tracks.map((track, row) => [track.id, row]));
  view.selected = id === undefined ? null : (view.trackOf(id) ?? null);
  if (first) {
    footage = new Footage(source, clip.size);
    footage.arrived = redraw;
    lanes.whole();
    element("title").textContent = clip.title;
    document.title = `${clip.title} · review`;
  }
  const people = `${clip.tracks.length} ${clip.tracks.length === 1 ? "person" : "people"}`;
  element("facts").textContent = `${people} · ${clip.frames.length.toLocaleString("en")} frames · ${clock(clip.times.at(-1) - clip.times[0], true)}${clip.video ? "" : " · no video (give it with --video)"}`;
  document.body.style.setProperty("--people", clip.tracks.length);
  lists.fill();
  doubtAt = doubt ? clip.doubts.findIndex((one) => same(one, doubt)) : -1;
  lists.mark(doubtAt);
  seek(view.place);
}

stage.actions = {
  redraw,
  pick,
  pickJoint: (joint) => ((view.joint = joint), redraw()),
  moveJoint: (...where) => repairs.moveJoint(...where),
};
lanes.actions = { redraw: redrawLanes, seek, pick };
lists.actions = { pick, goTo: goToDoubt, toggle: (number) => repairs.send({ toggle: number }) };
keys.first = (key) => repairs.key(key);

keys.add("play", [" "], "Play, pause", play);
keys.add("next", ["ArrowRight"], "Next frame", () => seek(view.place + 1));
keys.add("previous", ["ArrowLeft"], "Previous frame", () => seek(view.place - 1));
keys.add("forward", ["Shift+ArrowRight"], "10 frames on", () => seek(view.place + 10));
keys.add("back", ["Shift+ArrowLeft"], "10 frames back", () => seek(view.place - 10));
keys.add("start", ["Home"], "First frame", () => seek(0));
keys.add("end", ["End"], "Last frame", () => seek(Infinity));
keys.add("go", ["g"], "Go to a frame", goToFrame);
keys.add("up", ["ArrowUp"], "Previous person", () => neighbour(-1));
keys.add("down", ["ArrowDown"], "Next person", () => neighbour(1));
keys.add("doubt", ["d"], "Next doubt", () => goToDoubt(doubtAt + 1));
keys.add("doubt back", ["Shift+d"], "Previous doubt", () => goToDoubt(doubtAt - 1));
keys.add("begin", ["["], "Range starts here", () => mark(0));
keys.add("finish", ["]"], "Range ends here", () => mark(1));
keys.add("list", ["t"], "Doubts, or repairs", () => lists.show(element("doubts").hidden ? "doubts" : "repairs"));
keys.add("check", ["c"], "This doubt is settled: the same person before and after", () => (doubtAt < 0 ? say("Go to a doubt first: press D.") : repairs.check(view.clip.doubts[doubtAt])));
keys.add("join", ["j"], "Join with another person", () => repairs.begin("join"));
keys.add("split", ["s"], "Split here: another person from this frame on", () => repairs.split());
keys.add("exchange", ["x"], "Exchange with another person from this frame on", () => repairs.begin("exchange"));
keys.add("delete", ["Delete", "Backspace"], "Delete the person", () => repairs.remove());
keys.add("sides", ["l"], "Exchange left and right, in the range or this frame", () => repairs.sides());
keys.add("name", ["n"], "Name the person", () => repairs.rename());
keys.add("subject", ["m"], "Mark as the subject: the second pass keeps subjects only", () => repairs.subject());
keys.add("joint", ["k"], "Next joint", () => nextJoint(1));
keys.add("joint back", ["Shift+k"], "Previous joint", () => nextJoint(-1));
for (const [key, x, y] of [["Left", -1, 0], ["Right", 1, 0], ["Up", 0, -1], ["Down", 0, 1]]) {
  keys.add(`nudge ${key}`, [`Alt+Arrow${key}`], `Joint ${key.toLowerCase()} by a pixel; with Shift by 10`, () => nudge(x, y));
  keys.add(`push ${key}`, [`Alt+Shift+Arrow${key}`], "", () => nudge(10 * x, 10 * y));
}
keys.add("set", ["Enter"], "Set the joint there", setJoint);
keys.add("hide", ["h"], "Hide the joint, in the range or this frame", () => repairs.hide());
keys.add("undo", ["u", "Ctrl+z"], "Undo", () => repairs.undo());
keys.add("redo", ["Shift+u", "Ctrl+y", "Ctrl+Shift+z"], "Do again", () => repairs.redo());
keys.add("second", ["r"], "The second pass with these repairs, for looking", secondPass);
keys.add("in", ["+", "="], "Time line: fewer frames", () => lanes.zoom(1 / 1.5));
keys.add("out", ["-"], "Time line: more frames", () => lanes.zoom(1.5));
keys.add("closer", ["z"], "Enlarge the picture, around what is selected", () => stage.magnify(1.5));
keys.add("farther", ["Shift+z"], "Make the picture smaller", () => stage.magnify(1 / 1.5));
keys.add("fit", ["f"], "Whole picture, whole time line", () => (lanes.whole(), stage.fit()));
keys.add("cancel", ["Escape"], "", cancel);
keys.add("help", ["?"], "These keys", () => keys.help());

/* The server ends when the last page has gone: this connection tells it, and tells the page of other windows' repairs. */
function listen() {
  const events = new EventSource("events");
  events.onmessage = ({ data }) => {
    if (Number(data) === view.clip.version || repairs.busy || !view.editable) return;
    source.clip().then((clip) => {
      if (clip.version !== view.clip.version) take(clip);
    });
  };
  events.onerror = () => {
    events.close();
    say("posetrack review has ended. What was repaired is saved; start it again to go on.");
  };
}

window.review = { view, stage, lanes, repairs, shown: () => shown }; // for scripts that drive the page

source.clip().then((clip) => {
  take(clip);
  if (source.live) listen();
  document.body.dataset.ready = "true";
}, (error) => say(error.message));
