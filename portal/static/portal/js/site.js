// On every page: times in words, and no draft left behind by a person who signs out.

import { clearDrafts } from "./drafts.js";
import { keepTimes } from "./times.js";

keepTimes();
document.querySelector("form[data-sign-out]")?.addEventListener("submit", clearDrafts);
