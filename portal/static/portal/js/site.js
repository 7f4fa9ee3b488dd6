// On every page: times in words, and no draft left behind by a person who signs out.

import { clearDrafts } from "./drafts.js";
import { keepTimes } from "./times.js";

keepTimes();
for (const form of document.querySelectorAll("form[data-sign-out]")) {
  form.addEventListener("submit", clearDrafts);
}
