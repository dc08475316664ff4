import { defect } from "../errors.js";

/*
 * Dates and times as PostgreSQL writes them with `DateStyle = ISO` (EncodeDateOnly, EncodeDateTime, EncodeTimezone in
 * utils/adt/datetime.c), read and written.
 */

const DATE = /^(?<year>\d{4,})-(?<month>\d\d)-(?<day>\d\d)(?: (?<time>\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?<zone>[+-]\d\d(?::\d\d(?::\d\d)?)?)?)?(?<bc> BC)?$/;
const TIME = /^\d\d:\d\d:\d\d(?:\.\d{1,6})?$/;
const TIME_AND_MAYBE_ZONE = /^(?<time>\d\d:\d\d:\d\d(?:\.\d{1,6})?)/;
const TIME_AND_ZONE = /^(?<time>\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?<zone>[+-]\d\d(?::\d\d(?::\d\d)?)?)$/;
const MICROSECONDS_A_DAY = 86_400_000_000n;
const DAYS_OF_MONTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
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

/** True for a date that the calendar has, or an infinity; no time behind it. */
export function isIsoDate(text: string): boolean {
  if (isInfinity(text)) return true;
  const parts = DATE.exec(text)?.groups;
  return parts !== undefined && parts["time"] === undefined && dayExists(parts);
}

/** True for a date and time of day, with a zone or without as `zoned` says, or an infinity. */
export function isIsoTimestamp(text: string, zoned: boolean): boolean {
  if (isInfinity(text)) return true;
  const parts = DATE.exec(text)?.groups;
  return parts?.["time"] !== undefined && (parts["zone"] !== undefined) === zoned && dayExists(parts) && timeExists(parts["time"]) && zoneExists(parts["zone"]);
}

/** True for a time of day; 24:00:00 is the end of it. */
export function isIsoTime(text: string): boolean {
  return TIME.test(text) && (timeExists(text) || isEndOfDay(text));
}

export function isTimeWithZone(text: string): boolean {
  const parts = TIME_AND_ZONE.exec(text)?.groups;
  return parts !== undefined && isIsoTime(parts["time"]!) && zoneExists(parts["zone"]);
}

/** Microseconds of the day as written. */
export function timeOfDay(text: string): number {
  return microseconds(fields(TIME_AND_MAYBE_ZONE, text)["time"]!);
}

/** @param days as `isoDateDays` counts them */
export function isoDateText(days: number): string {
  if (!Number.isFinite(days)) return days > 0 ? "infinity" : "-infinity";
  const { date, beforeChrist } = dateParts(days);
  return `${date}${beforeChrist}`;
}

/**
 * @param moment as `isoTimestampMicroseconds` counts them
 * @param zone what stands behind the time
 */
export function isoTimestampText(moment: bigint, zone: "" | "+00"): string {
  if (moment === BEYOND) return "infinity";
  if (moment === -BEYOND) return "-infinity";
  const time = ((moment % MICROSECONDS_A_DAY) + MICROSECONDS_A_DAY) % MICROSECONDS_A_DAY;
  const { date, beforeChrist } = dateParts(Number((moment - time) / MICROSECONDS_A_DAY));
  return `${date} ${isoTimeText(Number(time))}${zone}${beforeChrist}`;
}

/** Where `isoTimestampMicroseconds` puts infinity; its negative is the other one. */
export const INFINITE_MOMENT = BEYOND;

/** @param time microseconds of the day */
export function isoTimeText(time: number): string {
  const seconds = Math.floor(time / 1e6);
  const fraction = time % 1e6;
  return `${clock(seconds)}${fraction === 0 ? "" : `.${String(fraction).padStart(6, "0").replace(/0+$/, "")}`}`;
}

/** @param seconds west of Greenwich */
export function zoneText(seconds: number): string {
  // Minutes and seconds only where there are any.
  return `${seconds > 0 ? "-" : "+"}${clock(Math.abs(seconds)).replace(/(?::00){1,2}$/, "")}`;
}

function clock(seconds: number): string {
  return [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(twoDigits).join(":");
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

/** The other way round than `days`. */
function dateParts(days: number): { readonly date: string; readonly beforeChrist: string } {
  const era = Math.floor(days / 146_097);
  const ofEra = days - era * 146_097;
  const yearOfEra = Math.floor((ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365);
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * ofYear + 2) / 153);
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const written = year > 0 ? year : 1 - year;
  return { date: `${String(written).padStart(4, "0")}-${twoDigits(month)}-${twoDigits(ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1)}`, beforeChrist: year > 0 ? "" : " BC" };
}

function isInfinity(text: string): boolean {
  return text === "infinity" || text === "-infinity";
}

function dayExists(parts: Readonly<Record<string, string | undefined>>): boolean {
  const [month, day, written] = [Number(parts["month"]), Number(parts["day"]), Number(parts["year"])];
  const year = parts["bc"] === undefined ? written : 1 - written;
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return written >= 1 && day >= 1 && day <= (DAYS_OF_MONTHS[month - 1] ?? 0) + (leap ? 1 : 0);
}

function timeExists(time: string): boolean {
  const [hours, minutes, seconds] = time.split(":").map(Number) as [number, number, number];
  return hours < 24 && minutes < 60 && seconds < 60;
}

function isEndOfDay(time: string): boolean {
  return /^24:00:00(?:\.0+)?$/.test(time);
}

/** Below 16 hours (TZDISP_LIMIT, utils/datetime.h). */
function zoneExists(zone: string | undefined): boolean {
  return zone === undefined || /^.(?:0\d|1[0-5])(?::[0-5]\d){0,2}$/.test(zone);
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
