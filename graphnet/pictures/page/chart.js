// Chart under the slider: a trained net's accuracy and each state's activity over time.

const PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"];

function drawChart(box, model) {
  const measures = model.measures;
  box.hidden = !measures;
  box.replaceChildren();
  if (!measures || !box.clientWidth) return;
  const width = box.clientWidth, height = 76, thumb = 8, top = 8, bottom = height - 6;
  const last = Math.max(model.last, ...measures.accuracy.map(([t]) => t));  // a run may be read out later than the picture
  const span = Math.max(1, last - model.first);
  const x = (t) => thumb + (width - 2 * thumb) * (t - model.first) / span;
  const y = (share) => bottom - (bottom - top) * share;
  const picture = makeSvg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
  picture.setAttribute("aria-label", chartText(model));
  const line = (points, attributes) => picture.append(
    makeSvg("polyline", { points: points.map(([t, share]) => `${x(t)},${y(share)}`).join(" "), fill: "none", ...attributes }));
  for (const share of [0, 0.5, 1]) {
    picture.append(makeSvg("line", { x1: thumb, x2: width - thumb, y1: y(share), y2: y(share), class: "rule" }));
  }
  if (last > model.last) {  // then the chart is wider in time than the slider
    picture.append(makeSvg("line", { x1: x(model.last), x2: x(model.last), y1: top, y2: bottom, class: "end" }));
    picture.append(makeSvg("text", { x: x(model.last) + 4, y: bottom - 3, class: "end" }, `t = ${model.last}`));
    picture.append(makeSvg("text", { x: width - thumb, y: bottom - 3, class: "end", "text-anchor": "end" }, `t = ${last}`));
  }
  const legend = make("p", { class: "legend" });
  let number = 0;
  for (const state of model.states) {
    const values = state.values.filter((value) => value.norm !== undefined && value.t !== null);
    const most = state.most;
    if (!most || state.name === "logits") continue;
    const colour = PALETTE[number++ % PALETTE.length];
    line(values.map((value) => [value.t, value.norm / most]), { stroke: colour, class: "norm" });
    for (const value of values) picture.append(makeSvg("circle", { cx: x(value.t), cy: y(value.norm / most), r: 1.8, fill: colour }));
    legend.append(make("span", {}, make("span", { class: "spot", colour }), state.label));
  }
  if (measures.chance) line([[model.first, measures.chance], [last, measures.chance]], { class: "chance" });
  line(measures.accuracy, { class: "accuracy" });
  for (const [t, share] of measures.accuracy) {
    picture.append(makeSvg("circle", { cx: x(t), cy: y(share), r: 3.4, class: "accuracy" }));
    if (measures.accuracy.length <= 12) {
      const low = share > 0.8, end = x(t) > width - 60;
      picture.append(makeSvg("text", { x: x(t) + (end ? -7 : 0), y: y(share) + (low ? 15 : -7), "text-anchor": end ? "end" : "middle" }, percent(share)));
    }
  }
  const swatch = make("span", { class: "spot accuracy" });
  legend.prepend(make("span", {}, swatch, `accuracy (dashed: chance)`), make("span", { class: "note" }, "activity, relative to each state's maximum:"));
  box.append(picture, legend);
}

function chartText(model) {
  const texts = model.measures.accuracy.map(([t, share]) => `${percent(share)} at t = ${t}`);
  return `Accuracy by readout time: ${texts.join(", ")}`;
}
