import { defect } from "../../errors.js";

/*
 * Dates and times as PostgreSQL writes them with `DateStyle = ISO` (EncodeDateOnly, EncodeDateTime, EncodeTimezone in
 * utils/adt/datetime.c), read to compare them.
 */

const DATE = /^(?<year>\d{4,})-(?<month>\d\d)-(?<day>\d\d)(?: (?<time>\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?<zone>[+-]\d\d(?::\d\d(?::\d\d)?)?)?)?(?<bc> BC)?$/;
const TIME_AND_ZONE = /^(?<time>\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?<zone>[+-]\d\d(?::\d\d(?::\d\d)?)?)$/;
const MICROSECONDS_A_DAY = 86_400_000_000n;
/** Beyond every timestamp: they end in the year 294276. */
const BEYOND = 1n << 70n;

/** Days; only differences mean something. */
export function isoDateDays(text: string): number {
  if (text === "infinity") return Infinity;
  if (text === "-infinity") return -Infinity;
  return days(fields(DATE, text));
}

/** Microseconds in UTC; only differences mean something. */
export function isoTimestampMicroseconds(text: string): bigint {
  if (text === "infinity") return BEYOND;
  if (text === "-infinity") return -BEYOND;
  const parts = fields(DATE, text);
  return BigInt(days(parts)) * MICROSECONDS_A_DAY + BigInt(microseconds(parts["time"]!)) - BigInt(zoneSeconds(parts["zone"])) * 1_000_000n;
}

/** Microseconds of the day as written, and seconds west of Greenwich. */
export function timeWithZone(text: string): { readonly time: number; readonly zone: number } {
  const parts = fields(TIME_AND_ZONE, text);
  return { time: microseconds(parts["time"]!), zone: -zoneSeconds(parts["zone"]) };
}

function fields(pattern: RegExp, text: string): Readonly<Record<string, string | undefined>> {
  const groups = pattern.exec(text)?.groups;
  if (groups === undefined) throw defect(`${JSON.stringify(text.slice(0, 60))} is no date or time in ISO style.`);
  return groups;
}

/** Days since 0000-03-01 of the proleptic Gregorian calendar. */
function days(parts: Readonly<Record<string, string | undefined>>): number {
  const written = Number(parts["year"]);
  const month = Number(parts["month"]);
  const year = (parts["bc"] === undefined ? written : 1 - written) - (month <= 2 ? 1 : 0);
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + Number(parts["day"]) - 1;
  return year * 365 + Math.floor(year / 4) - Math.floor(year / 100) + Math.floor(year / 400) + dayOfYear;
}

function microseconds(time: string): number {
  const [hours, minutes, seconds] = time.split(":") as [string, string, string];
  return Math.round((Number(hours) * 3600 + Number(minutes) * 60) * 1e6 + Number(seconds) * 1e6);
}

/** East of Greenwich. */
function zoneSeconds(zone: string | undefined): number {
  if (zone === undefined) return 0;
  const [hours, minutes = "0", seconds = "0"] = zone.slice(1).split(":") as [string, string?, string?];
  const magnitude = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return zone.startsWith("-") ? -magnitude : magnitude;
}
