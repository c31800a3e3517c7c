// The net's data with indices resolved, and the keys that link it to elements of the pictures.

function modelOf(data, measures) {
  const states = data.states;
  const sets = data.sets.map((set) => ({ ...set, kind: "set", uses: [] }));
  const transitions = data.transitions.map((each) => ({
    ...each, kind: "transition", name: each.place, source: states[each.source], target: states[each.target], uses: [],
  }));
  const values = data.values.map(([name, state, t, flops, arrivals]) => ({
    kind: "value", name, state: states[state], t, flops, arrivals, total: flops, into: [], out: [],
  }));
  for (const state of states) Object.assign(state, { kind: "state", values: [] });
  for (const value of values) value.state.values.push(value);
  const arrows = data.arrows.map(([source, target, transition, set, flops]) => ({
    kind: "arrow", source: values[source], target: values[target], transition: transitions[transition],
    set: sets[set], flops, t: values[target].t,
  }));
  const steps = new Map();
  for (let t = data.first; t <= data.last; t++) steps.set(t, { states: new Set(), places: new Set() });
  for (const value of values) if (value.t !== null) steps.get(value.t)?.states.add(value.state.name);
  for (const arrow of arrows) {
    arrow.source.out.push(arrow);
    arrow.target.into.push(arrow);
    arrow.target.total += arrow.flops;
    arrow.set.uses.push(arrow);
    arrow.transition.uses.push(arrow);
    const step = steps.get(arrow.t);
    step?.places.add(arrow.transition.place);
    if (arrow.source.t === null) step?.states.add(arrow.source.state.name);
  }
  const things = new Map();
  for (const state of states) things.set(`state ${state.name}`, state);
  for (const value of values) things.set(`value ${value.name}`, value);
  for (const set of sets) things.set(`set ${set.name}`, set);
  for (const each of transitions) things.set(`transition ${each.place}`, each);
  for (const arrow of arrows) things.set(keyOf(arrow), arrow);
  for (const [name, norm] of measures?.norms || []) {
    const value = things.get(`value ${name}`);
    if (!value) continue;
    value.norm = norm;
    value.state.most = Math.max(value.state.most || 0, norm);
  }
  const reads = new Map(data.reads.map(([t, name]) => [name, t]));
  return { ...data, sets, transitions, values, arrows, steps, things, reads, measures };
}

function keyOf(thing) {
  if (thing.kind === "arrow") return `arrow ${thing.source.name} ${thing.target.name} ${thing.transition.place}`;
  return `${thing.kind} ${thing.name}`;
}

// The key of what an element shows; in the recurrent picture an arrow is a transition.
function keyIn(element) {
  const of = (name) => element.getAttribute(`data-${name}`);
  const place = of("place");
  if (place === null) return of("name") === null ? `state ${of("state")}` : `value ${of("name")}`;
  return of("t") === null ? `transition ${place}` : `arrow ${of("source")} ${of("target")} ${place}`;
}

const DRAWN = "[data-place],[data-name],[data-state]";
