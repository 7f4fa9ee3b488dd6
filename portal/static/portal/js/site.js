// On every page: times in words; and who signs out leaves nothing behind, neither a draft nor a
// page in another tab.

import { clearDrafts } from "./drafts.js";
import { leave } from "./leave.js";
import { hearTabs, tellTabs } from "./tabs.js";
import { keepTimes } from "./times.js";

keepTimes();
for (const form of document.querySelectorAll("form[data-sign-out]")) {
  form.addEventListener("submit", () => {
    clearDrafts();
    tellTabs({ said: "signed-out" });
  });
}
hearTabs((told) => {
  if (told.said === "signed-out") leave();
});
