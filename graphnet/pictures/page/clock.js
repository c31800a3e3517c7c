// The current time, its slider and the play button.

function clockOf({ slider, now, play }, changed) {
  let first = 0, last = 0, t = 0, timer = 0, biological = false;
  const pace = () => Math.max(70, Math.min(900, 30000 / (last - first + 1)));

  const show = () => {
    slider.value = t;
    slider.setAttribute("aria-valuetext", [`t = ${t} of ${last}`, milliseconds(t, biological)].filter(Boolean).join(", "));
    slider.style.setProperty("--share", `${100 * (t - first) / Math.max(1, last - first)}%`);
    now.replaceChildren(make("b", {}, `t = ${t}`), make("span", {}, milliseconds(t, biological)));
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.setAttribute("aria-pressed", "false");
    play.setAttribute("aria-label", "Play");
  };
  const go = (to, playing = false) => {
    const next = Math.min(last, Math.max(first, to));
    if (next === t) return;
    t = next;
    show();
    changed(t, playing ? pace() : 0);
  };
  const tick = () => { if (t >= last) stop(); else go(t + 1, true); };

  slider.addEventListener("input", () => { stop(); go(Number(slider.value)); });
  const clock = {
    get t() { return t; },
    get first() { return first; },
    get last() { return last; },
    get playing() { return timer !== 0; },
    set(low, high, at, inMilliseconds) {
      [first, last, biological] = [low, high, inMilliseconds];
      Object.assign(slider, { min: low, max: high });
      t = Math.min(high, Math.max(low, at));
      if (t >= last) stop();
      show();
    },
    go(to) { stop(); go(to); },
    toggle() {
      if (timer) return stop();
      if (t >= last) go(first);
      play.setAttribute("aria-pressed", "true");
      play.setAttribute("aria-label", "Pause");
      timer = setInterval(tick, pace());
      tick();
    },
  };
  play.addEventListener("click", clock.toggle);
  return clock;
}
