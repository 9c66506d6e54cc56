// Times and days in the reader's own time zone and manner.

const clock = new Intl.DateTimeFormat([], { hour: "numeric", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat("en", { weekday: "short" });
const dayOfYear = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const fullDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric" });
const shortDay = new Intl.DateTimeFormat([], { day: "2-digit", month: "2-digit", year: "2-digit" });
const exact = new Intl.DateTimeFormat([], { dateStyle: "full", timeStyle: "medium" });

const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
const daysAgo = (date) => Math.round((midnight(new Date()) - midnight(date)) / 86_400_000);

/** time is the time of day. */
export const time = (date) => clock.format(date);

/** moment is a time in full, for a tooltip. */
export const moment = (date) => exact.format(date);

/** sameDay tells whether two times lie on one day. */
export const sameDay = (a, b) => midnight(a) === midnight(b);

/** day names the day of a time. */
export function day(date) {
  const ago = daysAgo(date);
  if (ago === 0) return "Today";
  if (ago === 1) return "Yesterday";
  return date.getFullYear() === new Date().getFullYear() ? dayOfYear.format(date) : fullDay.format(date);
}

/** brief is the time of a last message, in a list. */
export function brief(date) {
  const ago = daysAgo(date);
  if (ago === 0) return time(date);
  return ago > 0 && ago < 7 ? weekday.format(date) : shortDay.format(date);
}
