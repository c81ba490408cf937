"use strict";
// The page keeps itself up to date: the stream says that something changed, the page fetches itself again (or what
// data-parts-url has, which many see alike) and swaps the parts marked data-live. Rights and language are those of an
// ordinary visit.
(() => {
  const state = document.getElementById("live-state");
  if (!state || !state.dataset.liveUrl) return;
  const REST_MS = 400;
  const SLOW_MS = 5000;
  const AGAIN_MS = 30000;
  const parts = state.dataset.partsUrl ? state.dataset.partsUrl + location.search : location.href;
  let source = null;
  let slow = null;
  let busy = false;
  let wanted = false;

  const show = (now) => {
    state.dataset.now = now === "slow" ? "on" : now;
    if (state.textContent !== state.dataset[now]) state.textContent = state.dataset[now];
  };

  const swap = (fresh) => {
    const focused = document.activeElement && document.activeElement.id;
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      if (next && next.innerHTML !== part.innerHTML) part.replaceChildren(...next.childNodes);
    }
    if (focused && document.activeElement.id !== focused) {
      const again = document.getElementById(focused);
      if (again) again.focus({ preventScroll: true });
    }
  };

  const refresh = async () => {
    wanted = true;
    if (busy) return;
    busy = true;
    while (wanted) {
      wanted = false;
      try {
        const answer = await fetch(parts, { headers: { Accept: "text/html" }, cache: "no-store" });
        if (answer.redirected && new URL(answer.url).pathname === "/login") location.reload();
        if (answer.ok) swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
      } catch {
        show("off");
      }
      await new Promise((done) => setTimeout(done, REST_MS));
    }
    busy = false;
  };

  const stop = () => {
    if (source) source.close();
    source = null;
  };

  const open = () => {
    stop();
    clearInterval(slow);
    source = new EventSource(state.dataset.liveUrl);
    source.addEventListener("open", () => { show("on"); refresh(); });
    source.addEventListener("error", () => show("off"));
    source.addEventListener("changed", refresh);
    source.addEventListener("reset", refresh);
    source.addEventListener("ended", () => { stop(); location.reload(); });
    source.addEventListener("replaced", () => {
      // The same person opened another page: one stream each, so this one looks for itself now and then.
      stop();
      show("slow");
      slow = setInterval(refresh, SLOW_MS);
    });
  };

  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && !source) open();
  });

  const pad = (value) => String(value).padStart(2, "0");
  const skew = Date.now() - Number(document.documentElement.dataset.now || Date.now());
  setInterval(() => {
    for (const cell of document.querySelectorAll("[data-running]")) {
      const seconds = Math.max(0, Math.floor((Date.now() - skew - Number(cell.dataset.running)) / 1000));
      const hours = Math.floor(seconds / 3600);
      const minutes = Math.floor(seconds / 60) % 60;
      cell.textContent = hours ? `${hours}:${pad(minutes)}:${pad(seconds % 60)}` : `${minutes}:${pad(seconds % 60)}`;
    }
  }, 1000);
  setInterval(refresh, AGAIN_MS);
  open();
})();
