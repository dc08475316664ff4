const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** `0 B`, `1.2 kB`, `12.3 MB`, `456 GB`: powers of 1000, at most three digits and one decimal. */
export function formatBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  // 999.5 would be written as 1000.
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit]!}`;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `340 ms`, `3.4 s`, `42 s`, `2 min 05 s`, `1 h 02 min`, `3 d 04 h`. */
export function formatDuration(milliseconds: number): string {
  const rounded = Math.round(milliseconds);
  if (rounded < SECOND) return `${rounded} ms`;
  if (rounded < 9950) return `${(rounded / SECOND).toFixed(1)} s`;
  const seconds = Math.round(rounded / SECOND);
  if (seconds < 60) return `${seconds} s`;
  const at = seconds * SECOND;
  if (at < HOUR) return pair(at, MINUTE, "min", SECOND, "s");
  if (at < DAY) return pair(at, HOUR, "h", MINUTE, "min");
  return pair(at, DAY, "d", HOUR, "h");
}

function pair(milliseconds: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((milliseconds % large) / small);
  return `${Math.floor(milliseconds / large)} ${largeName} ${rest.toString().padStart(2, "0")} ${smallName}`;
}

/** `0%` to `100%`; 100% only when all is done. */
export function formatShare(share: number): string {
  return `${Math.floor(Math.min(1, Math.max(0, share)) * 100)}%`;
}

/** `12 s left`, `5 min left`, `3 h left`, `4 d left`, from what remains and the rate; undefined where that tells nothing. */
export function timeLeft(remaining: number, perSecond: number | undefined): string | undefined {
  if (perSecond === undefined || perSecond <= 0 || remaining <= 0) return undefined;
  const milliseconds = (remaining / perSecond) * SECOND;
  const [unit, name]: [number, string] = milliseconds < 90 * SECOND ? [SECOND, "s"] : milliseconds < 90 * MINUTE ? [MINUTE, "min"] : milliseconds < 2 * DAY ? [HOUR, "h"] : [DAY, "d"];
  return `${Math.max(1, Math.round(milliseconds / unit))} ${name} left`;
}
