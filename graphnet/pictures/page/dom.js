// Find and create elements; text is never parsed as HTML.

const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const $1 = (selector, root = document) => root.querySelector(selector);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "colour") element.style.setProperty("--colour", value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

function makeSvg(tag, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

const counted = (number) => Number(number).toLocaleString("en");

function flopsText(flops) {
  const units = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
  const [size, unit] = units.find(([size]) => flops >= size) || [1, ""];
  return flops ? `${(flops / size).toPrecision(3).replace(/\.?0+$/, (zeros) => zeros[0] === "." ? "" : zeros)} ${unit}FLOPs` : "no FLOPs";
}

// Biological time, for nets in which every arrow takes a step.
const milliseconds = (t, biological) => !biological ? "" : t > 0 ? `${20 * t}–${50 * t} ms` : "0 ms";
const timeAt = (t, biological) => [`t = ${t}`, milliseconds(t, biological)].filter(Boolean).join(", ");
