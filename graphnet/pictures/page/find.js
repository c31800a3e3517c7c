// Search: states, weights, transitions, values and tensors by parts of their names.

const MOST_FOUND = 12;

function namesOf(thing) {
  if (thing.kind === "set") return [thing.name, ...thing.tensors.map(([name]) => name)];
  if (thing.kind === "transition") {
    const { source, target } = thing;
    return [`${source.label} → ${target.label}`, thing.name, `${source.name}->${target.name}`];
  }
  return [...new Set([thing.label || thing.name, thing.name])];
}

function found(model, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const ranked = [];
  const order = ["state", "set", "transition", "value"];
  for (const thing of model.things.values()) {
    if (thing.kind === "arrow") continue;
    const names = namesOf(thing).map((name) => name.toLowerCase());
    const rank = names.some((name) => name === wanted) ? 0 : names.some((name) => name.startsWith(wanted)) ? 1
      : names.some((name) => name.includes(wanted)) ? 2 : 3;
    if (rank < 3) ranked.push([rank, order.indexOf(thing.kind), thing]);
  }
  return ranked.sort((a, b) => a[0] - b[0] || a[1] - b[1]).slice(0, MOST_FOUND).map(([, , thing]) => thing);
}

function finderOf(input, list, modelNow, choose) {
  let things = [], at = 0;
  const show = () => {
    list.hidden = !things.length && !input.value.trim();
    input.setAttribute("aria-expanded", String(!list.hidden));
    const options = things.map((thing, number) => {
      const option = make("li", { role: "option", id: `found-${number}`, "aria-selected": String(number === at) },
        ...(thing.kind === "set" ? [swatch(thing)] : []), make("b", {}, namesOf(thing)[0]), make("span", { class: "note" }, thing.kind === "set" ? "weights" : thing.kind));
      option.addEventListener("pointerdown", (event) => { event.preventDefault(); take(number); });
      return option;
    });
    list.replaceChildren(...(things.length ? options : [make("li", { class: "note" }, "no match")]));
    if (things.length) input.setAttribute("aria-activedescendant", `found-${at}`);
    else input.removeAttribute("aria-activedescendant");
  };
  const close = () => { list.hidden = true; input.setAttribute("aria-expanded", "false"); };
  const take = (number) => {
    if (!things[number]) return;
    choose(things[number]);
    close();
    input.blur();
  };
  input.addEventListener("input", () => { [things, at] = [found(modelNow(), input.value), 0]; show(); });
  input.addEventListener("focus", () => { if (input.value) { [things, at] = [found(modelNow(), input.value), 0]; show(); } });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") { input.value = ""; things = []; close(); input.blur(); }
    else if (event.key === "Enter") take(at);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const count = things.length || 1;
      at = (at + (event.key === "ArrowDown" ? 1 : count - 1)) % count;
      show();
    }
  });
}
