import { fixedCodec, type FixedType } from "./fixed-codec.js";
import { intervalFromText, intervalText } from "./interval-text.js";
import { INFINITE_MOMENT, isIsoDate, isIsoTime, isIsoTimestamp, isoDateDays, isoDateText, isoTimestampMicroseconds, isoTimestampText, isoTimeText, isTimeWithZone, timeOfDay, timeWithZone, zoneText } from "./iso-time.js";
import type { ValueCodec } from "./value.js";

/*
 * Dates and times as their text, the same from binary and from text: what the server writes with DateStyle ISO,
 * IntervalStyle postgres and TimeZone UTC.
 */

/** POSTGRES_EPOCH_JDATE: binary forms count from it. */
const EPOCH_DAYS = isoDateDays("2000-01-01");
const EPOCH_MICROSECONDS = isoTimestampMicroseconds("2000-01-01 00:00:00");
/** Julian day 0, and DATE_END_JULIAN (datatype/timestamp.h), from 2000-01-01. */
const FIRST_DATE = -2_451_545;
const DATE_END = 2_147_483_494 - 2_451_545;
/** DATEVAL_NOBEGIN and DATEVAL_NOEND (utils/date.h). */
const DATE_NO_BEGIN = -(2 ** 31);
const DATE_NO_END = 2 ** 31 - 1;
/** MIN_TIMESTAMP and END_TIMESTAMP; DT_NOBEGIN and DT_NOEND (datatype/timestamp.h). */
const FIRST_TIMESTAMP = -211_813_488_000_000_000n;
const TIMESTAMP_END = 9_223_371_331_200_000_000n;
const NO_BEGIN = -(1n << 63n);
const NO_END = (1n << 63n) - 1n;

const asText = (text: string): string => text;

const date: FixedType = {
  size: 4,
  read(bytes) {
    const days = bytes.readInt32BE(0);
    return isoDateText(days === DATE_NO_END ? Infinity : days === DATE_NO_BEGIN ? -Infinity : days + EPOCH_DAYS);
  },
  write(into, value) {
    if (typeof value !== "string" || !isIsoDate(value)) return false;
    const days = isoDateDays(value) - EPOCH_DAYS;
    if (Number.isFinite(days) && (days < FIRST_DATE || days >= DATE_END)) return false;
    into.writeInt32BE(days === Infinity ? DATE_NO_END : days === -Infinity ? DATE_NO_BEGIN : days, 0);
    return true;
  },
  parse: asText,
};

function timestamp(zone: "" | "+00"): FixedType {
  const read = (bytes: Buffer): string => {
    const moment = bytes.readBigInt64BE(0);
    return isoTimestampText(moment === NO_END ? INFINITE_MOMENT : moment === NO_BEGIN ? -INFINITE_MOMENT : moment + EPOCH_MICROSECONDS, zone);
  };
  return {
    size: 8,
    read,
    write(into, value) {
      if (typeof value !== "string" || !isIsoTimestamp(value, zone !== "")) return false;
      if (value.endsWith("infinity")) {
        into.writeBigInt64BE(value.startsWith("-") ? NO_BEGIN : NO_END, 0);
        return true;
      }
      const moment = isoTimestampMicroseconds(value) - EPOCH_MICROSECONDS;
      if (moment < FIRST_TIMESTAMP || moment >= TIMESTAMP_END) return false;
      into.writeBigInt64BE(moment, 0);
      return true;
    },
    parse: asText,
    print: (_, bytes) => read(bytes),
  };
}

function readTime(bytes: Buffer): string {
  return isoTimeText(Number(bytes.readBigInt64BE(0)));
}

const time: FixedType = {
  size: 8,
  read: readTime,
  write(into, value) {
    if (typeof value !== "string" || !isIsoTime(value)) return false;
    into.writeBigInt64BE(BigInt(timeOfDay(value)), 0);
    return true;
  },
  parse: asText,
  print: (_, bytes) => readTime(bytes),
};

function readTimetz(bytes: Buffer): string {
  return `${readTime(bytes)}${zoneText(bytes.readInt32BE(8))}`;
}

const timetz: FixedType = {
  size: 12,
  read: readTimetz,
  write(into, value) {
    if (typeof value !== "string" || !isTimeWithZone(value)) return false;
    const parts = timeWithZone(value);
    into.writeBigInt64BE(BigInt(parts.time), 0);
    into.writeInt32BE(parts.zone, 8);
    return true;
  },
  parse: asText,
  print: (_, bytes) => readTimetz(bytes),
};

function fits(value: number): boolean {
  return value >= -(2 ** 31) && value < 2 ** 31;
}

function readInterval(bytes: Buffer): string {
  const interval = { time: bytes.readBigInt64BE(0), days: bytes.readInt32BE(8), months: bytes.readInt32BE(12) };
  // Infinite intervals have all fields at an end (INTERVAL_NOBEGIN, INTERVAL_NOEND; from 17 on).
  if (interval.time === NO_END && interval.days === DATE_NO_END && interval.months === DATE_NO_END) return "infinity";
  if (interval.time === NO_BEGIN && interval.days === DATE_NO_BEGIN && interval.months === DATE_NO_BEGIN) return "-infinity";
  return intervalText(interval);
}

const interval: FixedType = {
  size: 16,
  read: readInterval,
  write(into, value) {
    if (typeof value !== "string") return false;
    const [most, end] = value.startsWith("-") ? [NO_BEGIN, DATE_NO_BEGIN] : [NO_END, DATE_NO_END];
    const parts = value === "infinity" || value === "-infinity" ? { time: most, days: end, months: end } : intervalFromText(value);
    if (parts === undefined || BigInt.asIntN(64, parts.time) !== parts.time || !fits(parts.days) || !fits(parts.months)) return false;
    into.writeBigInt64BE(parts.time, 0);
    into.writeInt32BE(parts.days, 8);
    into.writeInt32BE(parts.months, 12);
    return true;
  },
  parse: asText,
  print: (_, bytes) => readInterval(bytes),
};

export const TIME_CODECS: Readonly<Record<string, ValueCodec>> = {
  date: fixedCodec("date", date),
  timestamp: fixedCodec("timestamp", timestamp("")),
  timestamptz: fixedCodec("timestamptz", timestamp("+00")),
  time: fixedCodec("time", time),
  timetz: fixedCodec("timetz", timetz),
  interval: fixedCodec("interval", interval),
};
