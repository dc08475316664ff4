/** A value of `interval` as `interval_send` gives it (utils/adt/timestamp.c). */
export interface Interval {
  /** Microseconds. */
  readonly time: bigint;
  readonly days: number;
  readonly months: number;
}

const SECOND = 1_000_000n;

/** As `EncodeInterval` writes it with `IntervalStyle = postgres` (utils/adt/datetime.c). */
export function intervalText({ time, days, months }: Interval): string {
  const parts: string[] = [];
  let negativeBefore = false;
  for (const [value, unit] of [[Math.trunc(months / 12), "year"], [months % 12, "mon"], [days, "day"]] as const) {
    if (value === 0) continue;
    parts.push(`${negativeBefore && value > 0 ? "+" : ""}${value} ${unit}${value === 1 ? "" : "s"}`);
    negativeBefore = value < 0;
  }
  if (time !== 0n || parts.length === 0) {
    const magnitude = time < 0n ? -time : time;
    const fraction = magnitude % SECOND;
    const seconds = magnitude / SECOND;
    const [hours, minutes, rest] = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n].map((part) => String(part).padStart(2, "0")) as [string, string, string];
    parts.push(`${time < 0n ? "-" : negativeBefore ? "+" : ""}${hours}:${minutes}:${rest}${fraction === 0n ? "" : `.${String(fraction).padStart(6, "0").replace(/0+$/, "")}`}`);
  }
  return parts.join(" ");
}

const INTERVAL = /^(?:(?<years>[+-]?\d+) years?)?(?: ?(?<months>[+-]?\d+) mons?)?(?: ?(?<days>[+-]?\d+) days?)?(?: ?(?<sign>[+-]?)(?<hours>\d+):(?<minutes>[0-5]\d):(?<seconds>[0-5]\d)(?:\.(?<fraction>\d{1,6}))?)?$/;

/** Of `intervalText`'s form; undefined where the text is none. Infinities are the caller's matter. */
export function intervalFromText(text: string): Interval | undefined {
  const parts = text === "" ? undefined : INTERVAL.exec(text)?.groups;
  if (parts === undefined) return undefined;
  const number = (name: string): number => Number(parts[name] ?? "0");
  const magnitude = (BigInt(parts["hours"] ?? "0") * 3600n + BigInt(number("minutes") * 60 + number("seconds"))) * SECOND + BigInt((parts["fraction"] ?? "").padEnd(6, "0"));
  return { time: parts["sign"] === "-" ? -magnitude : magnitude, days: number("days"), months: number("years") * 12 + number("months") };
}
