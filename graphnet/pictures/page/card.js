// Descriptions of values, states, arrows, transitions and weights: a heading and rows, for the card and the hint.

const FEW = 6;

function timesText(times) {
  const sorted = [...new Set(times)].sort((a, b) => a - b), runs = [];
  for (const t of sorted) {
    const run = runs[runs.length - 1];
    if (run && run[1] === t - 1) run[1] = t; else runs.push([t, t]);
  }
  const texts = runs.map(([low, high]) => low === high ? `${low}` : `${low}..${high}`);
  return texts.length > FEW ? `${texts.slice(0, FEW - 1).join(", ")}, …, ${texts[texts.length - 1]}` : texts.join(", ");
}

const timeText = (t, { biological }) => t === null ? "before the first step" : t < 0 ? "before t = 0" : timeAt(t, biological);
const percent = (share) => `${(100 * share).toFixed(1)} %`;

function swatch(set) {
  const picture = makeSvg("svg", { class: "swatch", viewBox: "0 0 18 8", width: 18, height: 8, "aria-hidden": "true" });
  picture.append(makeSvg("path", { d: "M0,4H18", stroke: set.colour, "stroke-width": 2.6, "stroke-dasharray": set.dash || "none" }));
  return picture;
}

function weightsText(set) {
  if (!set.tensors.length) return "none";
  const listed = set.tensors.slice(0, 4).map(([name, shape]) => `${name} ${shape}`);
  const more = set.tensors.length - listed.length;
  return listed.join("\n") + (more > 0 ? `\nand ${more} more` : "");
}

const WORDS = {
  value(value, model) {
    const rows = [["state", value.state.label], ["shape", value.state.shape], ["time", timeText(value.t, model)]];
    if (value.arrivals > 1) rows.push(["merge", `${value.state.merge || "sum"} of ${value.arrivals} arrivals`]);
    if (value.state.update) rows.push(["update", value.state.update]);
    if (value.t !== null) rows.push(["work", flopsText(value.total)]);
    if (model.reads.has(value.name)) rows.push(["read out", `at t = ${model.reads.get(value.name)}`]);
    if (value.norm !== undefined) rows.push(["activity", `${value.norm.toPrecision(3)} (root mean square)`]);
    const accuracy = (model.measures?.accuracy || []).find(([t]) => t === value.t);
    if (accuracy && value.state === model.states[model.states.length - 1]) rows.push(["accuracy", percent(accuracy[1])]);
    return [value.name, rows];
  },
  state(state) {
    const times = state.values.map((value) => value.t).filter((t) => t !== null);
    const rows = [["shape", state.shape]];
    if (state.merge) rows.push(["merge", state.merge]);
    if (state.update) rows.push(["update", state.update]);
    if (times.length) rows.push(["populated", `t = ${timesText(times)}`]);
    return [state.label, rows];
  },
  arrow(arrow, model) {
    const { source, target, transition, set } = arrow;
    const uses = set.uses.length > 1 ? `, ${set.uses.length} uses` : "";
    return [`${source.name} → ${target.name}`, [
      ["function", transition.ops],
      ["time", timeText(arrow.t, model)],
      ["weights", set.tensors.length ? `${set.name}${uses}` : "none", set],
      ...(set.tensors.length ? [["", weightsText(set)]] : []),
      ["work", flopsText(arrow.flops)],
    ]];
  },
  transition(transition) {
    const { source, target, uses } = transition;
    const sets = [...new Set(uses.map((arrow) => arrow.set))];
    const rows = [["function", transition.ops]];
    if (transition.delay !== 1) rows.push(["delay", `${transition.delay}`]);
    rows.push(["fires", uses.length ? `t = ${timesText(uses.map((arrow) => arrow.t))}` : "never"]);
    for (const set of sets.slice(0, 3)) rows.push(["weights", set.tensors.length ? set.name : "none", set], ["", weightsText(set)]);
    if (sets.length > 3) rows.push(["", `and ${sets.length - 3} more weights`]);
    if (uses.length) rows.push(["work", `${flopsText(Math.max(...uses.map((arrow) => arrow.flops)))} per time`]);
    return [`${source.label} → ${target.label}`, rows];
  },
  set(set) {
    const between = new Map();
    for (const { transition, t } of set.uses) {
      if (!between.has(transition)) between.set(transition, []);
      between.get(transition).push(t);
    }
    const rows = [["uses", counted(set.uses.length)], ["parameters", counted(set.parameters)], ["tensors", weightsText(set)]];
    for (const [{ source, target }, times] of [...between].slice(0, FEW)) {
      rows.push([`${source.label} → ${target.label}`, `t = ${timesText(times)}`]);
    }
    return [`weights ${set.name}`, rows, set];
  },
};

function describe(thing, model) {
  const [title, rows, set] = WORDS[thing.kind](thing, model);
  const list = make("dl");
  for (const [name, text, mark] of rows) {
    list.append(make("dt", {}, name), make("dd", {}, ...(mark ? [swatch(mark)] : []), text));
  }
  return [make("h2", {}, ...(set ? [swatch(set)] : []), title), list];
}

function describeNet(model) {
  const list = make("dl");
  for (const [name, text] of model.figures) list.append(make("dt", {}, name), make("dd", {}, text));
  const nodes = [make("h2", {}, "The net"), list];
  if (model.measures) nodes.push(make("p", { class: "note" }, model.measures.note));
  return nodes;
}

const MOST_CHIPS = 48;

function chips(things, choose) {
  const buttons = things.slice(0, MOST_CHIPS).map((thing) => {
    const button = make("button", { type: "button", class: "chip", "aria-pressed": "false", "data-key": keyOf(thing) },
      ...(thing.kind === "set" ? [swatch(thing)] : []), thing.label || thing.name);
    button.addEventListener("click", () => choose(thing));
    return button;
  });
  const more = things.length - buttons.length;
  return more > 0 ? [...buttons, make("span", { class: "note" }, `and ${counted(more)} more: search`)] : buttons;
}
