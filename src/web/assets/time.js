// The time. What the device tells has the device's time, which may be another than the browser's: ages and days are counted with the device's.

// How far the device's clock is ahead of the browser's, in milliseconds.
let ahead = 0;

// How far its clocks on the wall are ahead of UTC, in minutes; null before it has said so.
let offset = null;

export const now = () => Date.now() + ahead;

// The device has told its time.
export function setClock({ now: told, offset_minutes: wall }) {
  ahead = Date.parse(told) - Date.now();
  offset = wall ?? null;
}

// How long ago something was, in seconds.
export const age = (time) => Math.max(0, now() - Date.parse(time)) / 1000;

export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

// The time of day, with the date if that is another.
export function clock(time = now()) {
  const at = new Date(time);
  const minutes = { hour: "2-digit", minute: "2-digit" };
  return at.toDateString() === new Date(now()).toDateString() ? at.toLocaleTimeString([], minutes) : at.toLocaleString([], { day: "numeric", month: "short", ...minutes });
}

// The midnight before, so many days back.
export function midnight(days) {
  const at = new Date(now());
  at.setDate(at.getDate() - days);
  return at.setHours(0, 0, 0, 0);
}

// The midnight at which the device's day began, if its clocks on the wall show another time than the browser's; else null.
export function itsMidnight() {
  const at = new Date(now());
  if (offset === null || offset === -at.getTimezoneOffset()) return null;
  const wall = at.getTime() + offset * 60_000;
  return at.getTime() - (wall % 86_400_000);
}
