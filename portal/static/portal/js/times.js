// Times as people say them: "5 minutes ago", in the language of the page, or exactly, where they are.

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

const language = document.documentElement.lang || "en";
// British readers of English pages have British dates.
const own = navigator.languages.find((one) => one.split("-")[0] === language) ?? language;
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const absolute = new Intl.DateTimeFormat(own, { dateStyle: "long", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(own, { dateStyle: "medium", timeStyle: "medium" });

/**
 * The distance from now to `moment`: "in 9 minutes", "yesterday", "now".
 *
 * @param {Date} moment
 * @returns {string}
 */
function fromNow(moment) {
  const seconds = (moment.getTime() - Date.now()) / 1000;
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
  }
  return relative.format(0, "second");
}

/** @param {Element} element */
const momentOf = (element) => new Date(element.getAttribute("datetime") ?? "");

/** Say every `<time data-exact>` by the reader's own clock. */
function sayExactTimes() {
  for (const element of document.querySelectorAll("time[data-exact]")) {
    const moment = momentOf(element);
    if (!Number.isNaN(moment.getTime())) element.textContent = exact.format(moment);
  }
}

/** Say every `<time data-relative>` as a distance; the exact time stays in its title. */
export function sayTimes() {
  for (const element of document.querySelectorAll("time[data-relative]")) {
    const moment = momentOf(element);
    if (Number.isNaN(moment.getTime())) continue;
    element.textContent = fromNow(moment);
    element.setAttribute("title", absolute.format(moment));
  }
}

/** Say them now and once a minute. */
export function keepTimes() {
  sayExactTimes();
  sayTimes();
  setInterval(sayTimes, 60_000);
}
