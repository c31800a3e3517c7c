// Pan and zoom: x, y of the picture's upper left corner on the stage, and its scale k.

function cameraOf(stage, sheet) {
  const places = new Map();
  const most = 12, roomy = 24, seen = 80;
  let view = "", here = { x: 0, y: 0, k: 1 }, moved = () => {};

  const size = () => {
    const svg = $1(`[data-view="${CSS.escape(view)}"] > svg`, sheet);
    const box = svg?.viewBox.baseVal;
    return box && box.width ? [box.width, box.height] : [1, 1];
  };
  const show = () => {
    sheet.style.transform = `translate(${here.x}px,${here.y}px) scale(${here.k})`;
    moved(here);
  };
  // Limits the scale so that the picture stays visible.
  const bounded = (k) => {
    const [width, height] = size();
    const whole = Math.min(stage.clientWidth / width, stage.clientHeight / height);
    return Math.min(most, Math.max(k, Math.min(0.4, Math.max(whole / 2, seen / Math.min(width, height)))));
  };
  const put = (x, y, k) => {
    const [width, height] = size(), { clientWidth: w, clientHeight: h } = stage;
    const within = (at, length, room) => Math.min(room - seen, Math.max(seen - length * k, at));
    here = { x: within(x, width, w), y: within(y, height, h), k };
    places.set(view, here);
    show();
  };
  const fit = () => {
    const [width, height] = size(), { clientWidth: w, clientHeight: h } = stage;
    const across = (w - 2 * roomy) / width, down = (h - 2 * roomy) / height;
    const whole = Math.min(across, down);
    const k = Math.min(2.2, whole < 0.4 ? Math.min(1.2, Math.max(across, down)) : whole); // too small: fill the stage and pan
    put(Math.max(roomy, (w - width * k) / 2), Math.max(roomy, (h - height * k) / 2), k);
  };

  return {
    get here() { return here; },
    onMove(listener) { moved = listener; },
    fit,
    look(name) {
      view = name;
      if (places.has(name)) { here = places.get(name); show(); } else fit();
    },
    pan: (dx, dy) => put(here.x + dx, here.y + dy, here.k),
    zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
      const k = bounded(here.k * factor), ratio = k / here.k;
      put(x - (x - here.x) * ratio, y - (y - here.y) * ratio, k);
    },
    // Moves just far enough to show a box of the picture.
    reveal(box) {
      const { clientWidth: w, clientHeight: h } = stage, margin = Math.min(60, w / 6, h / 6);
      const step = (low, high, room) => {
        if (high - low > room - 2 * margin) return (room - high - low) / 2;
        return low < margin ? margin - low : high > room - margin ? room - margin - high : 0;
      };
      const left = here.x + box.x * here.k, top = here.y + box.y * here.k;
      const dx = step(left, left + box.width * here.k, w);
      const dy = box.height ? step(top, top + box.height * here.k, h) : 0;
      if (dx || dy) put(here.x + dx, here.y + dy, here.k);
    },
    // Keeps a box in view: once it leaves the stage, puts it at a quarter of the width.
    follow(box) {
      const left = here.x + box.x * here.k, right = left + box.width * here.k, w = stage.clientWidth;
      if (left < 0 || right > w) put(here.x + w / 4 - left, here.y, here.k);
    },
  };
}

function panning(stage, camera, { clicked }) {
  const held = new Map();
  let travelled = 0, start = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    held.set(event.pointerId, event);
    if (held.size === 1) { travelled = 0; start = event.target; }
  });
  stage.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
    travelled += Math.abs(dx) + Math.abs(dy);
    if (travelled > 4 && !stage.hasPointerCapture(event.pointerId)) {
      stage.setPointerCapture(event.pointerId);
      stage.classList.add("held");
    }
    if (held.size === 1 && travelled > 4) camera.pan(dx, dy);
    if (held.size === 2) {
      const other = [...held.values()].find((each) => each.pointerId !== event.pointerId);
      const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
      const box = stage.getBoundingClientRect();
      const x = (event.clientX + other.clientX) / 2 - box.x, y = (event.clientY + other.clientY) / 2 - box.y;
      camera.zoom(apart(event) / apart(before), x, y);
    }
    held.set(event.pointerId, event);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    stage.addEventListener(kind, (event) => {
      if (!held.delete(event.pointerId)) return;
      stage.classList.remove("held");
      if (kind === "pointerup" && travelled <= 4) clicked(start, event);
    });
  }
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    const lines = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey && !event.ctrlKey) camera.pan(-(event.deltaX || event.deltaY) * lines, 0);
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) camera.pan(-event.deltaX * lines, 0);
    else camera.zoom(Math.exp(-event.deltaY * lines * 0.0016), event.clientX - box.x, event.clientY - box.y);
  }, { passive: false });
}
