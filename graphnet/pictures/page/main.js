// Entry point: connects picture, camera, clock, card and search.

const root = document.documentElement;
const [stage, sheet] = [$1("#stage"), $1("#sheet")];
const initial = JSON.parse($1("#data").textContent);
let model = null, view = "", chosen = null, rows = [];

const painter = painterOf(sheet);
const camera = cameraOf(stage, sheet);

function choose(thing, { reveal = false } = {}) {
  chosen = thing?.kind === "arrow" ? (thing.set.tensors.length ? thing.set : thing.transition) : thing;
  painter.highlight(chosen);
  const key = chosen && keyOf(chosen);
  for (const chip of $$(".chip")) chip.setAttribute("aria-pressed", String(chip.dataset.key === key));
  $1("#details").replaceChildren(...(chosen ? describe(chosen, model) : describeNet(model)));
  const box = chosen && reveal ? painter.boxOf(chosen, view) : null;
  if (box) camera.reveal(box);
}
const pick = (thing) => choose(thing === chosen ? null : thing, { reveal: true });

const clock = clockOf({ slider: $1("#time"), now: $1("#now"), play: $1("#play") }, (t, duration) => {
  painter.time(t);
  const box = painter.column(view, t);
  if (box) camera.follow(box);
  if (duration > 250) painter.signal(view, t, 0.8 * duration);
});

// Switches the view; row names appear at the edge once those in the picture are out of sight.
function look(name) {
  view = name;
  leave();
  for (const figure of $$(".picture")) figure.hidden = figure.dataset.view !== name;
  for (const button of $$("#views button")) button.setAttribute("aria-pressed", String(button.value === name));
  rows = painter.rows(name).map(([state, y]) => [make("li", {}, state.label), y]);
  $1("#rows").replaceChildren(...rows.map(([item]) => item));
  camera.look(name);
}

function showViews() {
  const buttons = painter.views.map((name) => {
    const button = make("button", { type: "button", value: name, "aria-pressed": "false" }, name);
    button.addEventListener("click", () => look(name));
    return button;
  });
  $1("#views").replaceChildren(...(buttons.length > 1 ? buttons : []));
}

// Replaces the net; keeps the view, time and selection if they still exist.
function show(content) {
  showFaults($1("#faults"), content.faults);
  if (!content.net) return;
  leave();
  const before = chosen && keyOf(chosen), again = model !== null;
  model = modelOf(content.net, content.measures);
  document.title = model.name;
  $1("#name").textContent = model.name;
  $1("#cite").textContent = model.cite;
  drawChart($1("#chart"), model);
  painter.build(model);
  showViews();
  look(painter.views.includes(view) ? view : painter.views[0]);
  clock.set(model.first, model.last, again ? clock.t : model.last, model.biological);
  painter.time(clock.t);
  const lettered = model.sets.filter((set) => set.tensors.length);
  $1("#weights").replaceChildren(...chips(lettered, pick));
  $1("#states").replaceChildren(...chips(model.states, pick));
  choose((before && model.things.get(before)) || null);
}

function redraw(content) {
  if (content.net) sheet.replaceChildren(...content.pictures.map(([name, text]) => figureOf(name, text)));
  show(content);
}

// The thing under the pointer, or a few pixels away so that thin arrows are easy to hit.
function thingAt(event) {
  if (!model) return null;
  for (const [dx, dy] of [[0, 0], [0, -3], [0, 3], [-3, 0], [3, 0], [0, -5], [0, 5]]) {
    const element = document.elementFromPoint(event.clientX + dx, event.clientY + dy);
    const drawn = element?.closest?.(DRAWN);
    if (drawn && sheet.contains(drawn)) return model.things.get(keyIn(drawn)) || null;
  }
  return null;
}

const hint = $1("#hint");
let hovered = null;
function hover(event) {
  const thing = stage.classList.contains("held") ? null : thingAt(event);
  stage.classList.toggle("over", Boolean(thing));
  if (thing !== hovered) {
    hovered = thing;
    hint.hidden = !thing;
    if (thing) hint.replaceChildren(...describe(thing, model));
  }
  if (!thing) return;
  const { offsetWidth: w, offsetHeight: h } = hint;
  const x = event.clientX + 16 + w > innerWidth ? event.clientX - 12 - w : event.clientX + 16;
  const y = event.clientY + 16 + h > innerHeight ? event.clientY - 12 - h : event.clientY + 16;
  hint.style.transform = `translate(${Math.max(4, x)}px,${Math.max(4, y)}px)`;
}
const leave = () => { hovered = null; hint.hidden = true; stage.classList.remove("over"); };

stage.addEventListener("pointermove", hover);
stage.addEventListener("pointerleave", leave);
panning(stage, camera, { clicked: (_, event) => choose(thingAt(event)) });
finderOf($1("#search"), $1("#found"), () => model || { things: new Map() }, (thing) => choose(thing, { reveal: true }));

function darken() {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  $1("#theme").setAttribute("aria-pressed", String(!dark));
}
function explain() {
  const keys = $1("#keys");
  keys.hidden = !keys.hidden;
  $1("#help").setAttribute("aria-expanded", String(!keys.hidden));
}
function nextState(by) {
  const at = model.states.findIndex((state) => state === (chosen?.state || chosen));
  const count = model.states.length;
  choose(model.states[at < 0 ? (by > 0 ? 0 : count - 1) : (at + by + count) % count], { reveal: true });
}
function clear() {
  if (!$1("#keys").hidden) explain();
  if (!$1("#faults").matches(".wrong")) $1("#faults").hidden = true;
  choose(null);
  leave();
}
const nextView = () => look(painter.views[(painter.views.indexOf(view) + 1) % painter.views.length]);

const KEYS = {
  ArrowLeft: () => clock.go(clock.t - 1), ArrowRight: () => clock.go(clock.t + 1),
  ArrowUp: () => nextState(-1), ArrowDown: () => nextState(1),
  Home: () => clock.go(clock.first), End: () => clock.go(clock.last),
  " ": clock.toggle, "+": () => camera.zoom(1.25), "=": () => camera.zoom(1.25), "-": () => camera.zoom(0.8),
  0: camera.fit, "/": () => { leave(); $1("#search").focus(); }, v: nextView, d: darken, "?": explain, Escape: clear,
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !model) return;
  const button = event.target.closest?.("button");
  if (button && (event.key === " " || event.key === "Enter")) return;
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

$1("#larger").addEventListener("click", () => camera.zoom(1.25));
$1("#smaller").addEventListener("click", () => camera.zoom(0.8));
$1("#fit").addEventListener("click", camera.fit);
$1("#theme").addEventListener("click", darken);
$1("#help").addEventListener("click", explain);
new ResizeObserver(() => { if (model) drawChart($1("#chart"), model); }).observe($1("#track"));
new ResizeObserver(() => { if (model) camera.pan(0, 0); }).observe(stage);

camera.onMove(({ x, y, k }) => {
  const width = stage.clientWidth / k, left = -x / k;
  painter.window(view, left - width / 2, left + 1.5 * width);
  sheet.classList.toggle("far", k < 0.3);
  $1("#rows").hidden = left < 40;
  for (const [item, at] of rows) item.style.top = `${y + at * k}px`;
});
show(initial);
root.classList.add("ready");
if (initial.token) follow(initial.token, redraw, (lost) => root.classList.toggle("lost", lost));
