// Buttons that copy what stands beside them.

import { copyText } from "./copy.js";

for (const button of document.querySelectorAll("button[data-copies]")) {
  const words = button.textContent ?? "";
  button.addEventListener("click", async () => {
    const copied = await copyText(button.getAttribute("data-copies") ?? "");
    button.textContent = button.getAttribute(copied ? "data-copied" : "data-failed");
    setTimeout(() => (button.textContent = words), 3000);
  });
}
