"use strict";
// While a Japanese word is being composed, Enter accepts the word and must not send the form.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.isComposing || event.keyCode === 229)) {
    event.preventDefault();
    event.stopPropagation();
  }
}, true);

// A refused form: bring the visitor to the summary of what is wrong.
const summary = document.querySelector("[data-error-summary]");
if (summary) summary.focus();

// Work goes on behind a page that says so: its part is fetched again until it says so no longer.
const AGAIN_MS = 500;
const again = async () => {
  const part = document.querySelector("[data-again]");
  if (!part) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.redirected) location.reload();
    const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
    if (answer.ok && next) {
      if (!next.hasAttribute("data-again")) part.removeAttribute("data-again");
      if (next.innerHTML !== part.innerHTML) part.replaceChildren(...next.childNodes);
    }
  } catch {
    // The next look may come through.
  }
  setTimeout(again, AGAIN_MS);
};
setTimeout(again, AGAIN_MS);
