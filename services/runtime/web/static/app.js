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
