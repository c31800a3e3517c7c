// Live updates: polls `graphnet view` for new content and shows the spec's faults as text.

const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

async function follow(token, redraw, lost) {
  for (;;) {
    try {
      const answer = await fetch(`state?after=${encodeURIComponent(token)}`, { cache: "no-store" });
      lost(false);
      if (answer.status !== 200) continue;
      const content = await answer.json();
      token = content.token;
      redraw(content);
    } catch (fault) {
      lost(true);
      await pause(2);
    }
  }
}

function showFaults(box, faults) {
  const texts = faults.map(({ severity, parts }) => make("pre", { class: severity },
    ...parts.map(([role, text]) => role ? make("span", { class: role }, text) : text)));
  const wrong = faults.some(({ severity }) => severity === "error");
  const close = make("button", { type: "button", class: "close", "aria-label": "Hide the warnings" }, "×");
  close.addEventListener("click", () => { box.hidden = true; });
  box.replaceChildren(...texts, ...(wrong ? [] : [close]));
  box.hidden = !texts.length;
  box.classList.toggle("wrong", wrong);
  document.documentElement.classList.toggle("stale", wrong);
}

function figureOf(view, text) {
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  const figure = make("figure", { class: "picture", "data-view": view });
  figure.append(document.adoptNode(parsed));
  return figure;
}
