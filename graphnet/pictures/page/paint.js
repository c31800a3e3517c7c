// Highlights in the pictures: past and present at time t, and the selection.

function painterOf(sheet) {
  let model = null, elements = new Map(), pictures = [], time = null, lit = [];

  const listed = (map, key) => map.get(key) || map.set(key, []).get(key);
  const boxOf = (element) => {
    const rect = element.firstElementChild;
    if (rect?.tagName !== "rect") return element.getBBox();
    const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(rect.getAttribute(name)));
    return { x, y, width, height };
  };
  const bounds = (boxes) => {
    const x = Math.min(...boxes.map((box) => box.x)), y = Math.min(...boxes.map((box) => box.y));
    const right = Math.max(...boxes.map((box) => box.x + box.width));
    const bottom = Math.max(...boxes.map((box) => box.y + box.height));
    return { x, y, width: right - x, height: bottom - y };
  };

  const read = (figure) => {
    const picture = { view: figure.dataset.view, svg: $1("svg", figure), byTime: new Map(), still: [], boxes: new Map(), rows: new Map() };
    for (const element of $$(DRAWN, figure)) {
      const key = keyIn(element), t = element.getAttribute("data-t"), name = element.getAttribute("data-name");
      listed(elements, key).push(element);
      if (t !== null) listed(picture.byTime, Number(t)).push(element);
      else if (key !== "value input") picture.still.push([element, key]);
      if (name !== null) picture.boxes.set(name, boxOf(element));
      if (t !== null && name !== null && !picture.rows.has(element.getAttribute("data-state"))) {
        picture.rows.set(element.getAttribute("data-state"), picture.boxes.get(name));
      }
    }
    if (picture.byTime.size) unrolled(picture);
    picture.signals = makeSvg("g", { class: "signals" });
    picture.svg.append(picture.signals);
    return picture;
  };
  // An unrolled net may be long: elements far outside the view are replaced by empty text nodes
  // (`display: none` is not enough: browsers lay out groups anyway).
  const unrolled = (picture) => {
    picture.cursor = makeSvg("rect", { class: "cursor", rx: 6 });
    $1("rect", picture.svg).after(picture.cursor);
    const all = bounds([...picture.boxes.values()]);
    Object.assign(picture, { top: all.y, bottom: all.y + all.height, away: [] });
    const reach = (element, low, high) => picture.away.push({ element, low, high, stand: new Text(), shown: true });
    for (const element of [...picture.byTime.values()].flat()) {
      const ends = ["name", "source", "target"].map((end) => picture.boxes.get(element.getAttribute(`data-${end}`))).filter(Boolean);
      reach(element, Math.min(...ends.map((box) => box.x)), Math.max(...ends.map((box) => box.x + box.width)));
    }
    for (const text of picture.svg.children) {
      if (text.tagName === "text") reach(text, Number(text.getAttribute("x")), Number(text.getAttribute("x")));
    }
  };

  const column = (picture, t) => {
    const boxes = (picture.byTime.get(t) || []).map((element) => picture.boxes.get(element.dataset.name)).filter(Boolean);
    return boxes.length ? bounds(boxes) : null;
  };
  const putCursor = (picture, t) => {
    const box = column(picture, t);
    picture.cursor.style.display = box ? "" : "none";
    if (!box) return;
    const { top, bottom } = picture, pad = 5;
    for (const [name, value] of Object.entries({
      x: box.x - pad, y: top - pad, width: box.width + 2 * pad, height: bottom - top + 2 * pad,
    })) picture.cursor.setAttribute(name, value);
  };
  // Only the elements of the times in between change.
  const pass = (picture, from, to) => {
    const low = from === null ? -Infinity : Math.min(from, to), high = from === null ? Infinity : Math.max(from, to);
    const steps = from !== null && high - low === 1 ? [low, high] : [...picture.byTime.keys()];
    for (const t of steps) {
      if (t < low || t > high) continue;
      for (const element of picture.byTime.get(t) || []) {
        element.classList.toggle("future", t > to);
        element.classList.toggle("current", t === to);
      }
    }
  };
  const heat = () => {
    for (const value of model.values) {
      if (value.norm === undefined || !value.state.most) continue;
      for (const element of elements.get(keyOf(value)) || []) {
        element.classList.add("measured");
        element.style.setProperty("--heat", `${Math.round(100 * value.norm / value.state.most)}%`);
      }
    }
  };

  const painter = {
    build(made) {
      [model, elements, lit, time] = [made, new Map(), [], null];
      pictures = $$("figure", sheet).map(read);
      heat();
    },
    get views() { return pictures.map((picture) => picture.view); },
    time(t) {
      const step = model.steps.get(t);
      for (const picture of pictures) {
        if (picture.cursor) { pass(picture, time, t); putCursor(picture, t); continue; }
        for (const [element, key] of picture.still) {
          const [kind, ...rest] = key.split(" ");
          const on = (kind === "transition" ? step.places : step.states).has(rest.join(" "));
          element.classList.toggle("idle", !on);
          element.classList.toggle("current", on);
        }
      }
      time = t;
    },
    highlight(thing) {
      for (const element of lit) element.classList.remove("lit");
      lit = thing ? litKeys(thing).flatMap((key) => elements.get(key) || []) : [];
      for (const element of lit) element.classList.add("lit");
      sheet.classList.toggle("picking", lit.length > 0);
    },
    // The box of a thing in a picture: of its values, the one nearest to the current time.
    boxOf(thing, view) {
      const picture = pictures.find((each) => each.view === view);
      if (!picture) return null;
      if (!picture.byTime.size) {
        const near = (elements.get(keyOf(thing)) || []).find((each) => each.ownerSVGElement === picture.svg);
        return near ? near.getBBox() : null;
      }
      const values = thing.values || thing.uses?.map((arrow) => arrow.target) || [thing];
      const far = (value) => Math.abs((value.t ?? -1) - time);
      const nearest = values.reduce((best, value) => best && far(best) <= far(value) ? best : value, null);
      return nearest && picture.boxes.get(nearest.name) || null;
    },
    // Shows what lies between two x of a picture and hides the rest.
    window(view, left, right) {
      for (const item of pictures.find((each) => each.view === view)?.away || []) {
        const shown = item.high >= left && item.low <= right;
        if (shown === item.shown) continue;
        item.shown = shown;
        if (shown) item.stand.replaceWith(item.element); else item.element.replaceWith(item.stand);
      }
    },
    column(view, t) {
      const picture = pictures.find((each) => each.view === view);
      return picture?.cursor ? column(picture, t) : null;
    },
    // The state of each row of a picture, and the row's y.
    rows(view) {
      const rows = pictures.find((each) => each.view === view)?.rows || [];
      return [...rows].map(([name, box]) => [model.things.get(`state ${name}`), box.y + box.height / 2]);
    },
    // Runs dots along the arrows that arrive at t.
    signal(view, t, duration) {
      const picture = pictures.find((each) => each.view === view);
      if (!picture || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
      const now = picture.byTime.size ? picture.byTime.get(t) || [] : $$(".current", picture.svg);
      const arrows = now.filter((each) => each.classList.contains("arrow")).slice(0, 40);
      const running = arrows.map((arrow) => {
        const path = $1("path", arrow), dot = makeSvg("circle", { r: 3.2 });
        dot.style.fill = getComputedStyle(path).stroke;
        return { path, dot, length: path.getTotalLength() };
      });
      picture.signals.replaceChildren(...running.map((each) => each.dot));
      const start = performance.now();
      const frame = (now) => {
        const share = Math.min(1, (now - start) / duration);
        for (const { path, dot, length } of running) {
          const { x, y } = path.getPointAtLength(share * length);
          dot.setAttribute("cx", x);
          dot.setAttribute("cy", y);
        }
        if (!running.length || !running[0].dot.isConnected) return;
        if (share < 1) requestAnimationFrame(frame); else picture.signals.replaceChildren();
      };
      frame(start);
    },
  };
  return painter;
}

// Keys to highlight for a thing: an arrow with its ends, weights with all their uses.
function litKeys(thing) {
  const keys = new Set();
  const withEnds = (arrow) => {
    for (const each of [arrow, arrow.transition, arrow.source, arrow.target, arrow.source.state, arrow.target.state]) {
      keys.add(keyOf(each));
    }
  };
  if (thing.kind === "arrow") withEnds(thing);
  else if (thing.uses) thing.uses.forEach(withEnds);
  else {
    const values = thing.kind === "state" ? thing.values : [thing];
    keys.add(keyOf(thing));
    keys.add(keyOf(thing.state || thing));
    for (const value of values) keys.add(keyOf(value));
    for (const value of values) for (const arrow of [...value.into, ...value.out]) {
      keys.add(keyOf(arrow));
      keys.add(keyOf(arrow.transition));
      if (thing.kind === "value") keys.add(keyOf(arrow.source)).add(keyOf(arrow.target));
    }
  }
  return [...keys];
}
