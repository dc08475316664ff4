import fc from "fast-check";
import { expect, test } from "vitest";
import { type Value, valueCodec } from "../../src/postgres/value-codec.js";
import { startTestCluster } from "../support/cluster.js";

type Present = Exclude<Value, null>;

const numerics = fc.oneof(
  fc.tuple(fc.constantFrom("", "-"), fc.stringMatching(/^(0|[1-9][0-9]{0,40})$/), fc.stringMatching(/^[0-9]{0,30}$/)).map(([sign, whole, fraction]) => {
    const text = fraction === "" ? whole : `${whole}.${fraction}`;
    return /[1-9]/.test(text) ? sign + text : text;
  }),
  fc.constantFrom("NaN", "Infinity", "-Infinity", `-1${"0".repeat(5000)}`, `0.${"0".repeat(5000)}1`, "0.00", "10000", "0.0001"),
);
const two = (value: number): string => String(value).padStart(2, "0");
const dates = fc.oneof(
  fc.tuple(fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 294_275 })), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 28 })).map(([year, month, day]) => [`${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`, year <= 4712 && day % 3 === 0 ? " BC" : ""] as const),
  fc.constantFrom(["2000-02-29", ""] as const, ["0001-02-28", " BC"] as const, ["0001-02-29", " BC"] as const, ["1900-12-31", ""] as const, ["4714-11-24", " BC"] as const, ["294276-12-31", ""] as const),
);
const fraction = fc.oneof(fc.constant(""), fc.integer({ min: 1, max: 999_999 }).map((micros) => `.${String(micros).padStart(6, "0").replace(/0+$/, "")}`));
const times = fc.oneof(
  { weight: 20, arbitrary: fc.tuple(fc.integer({ min: 0, max: 86_399 }), fraction).map(([seconds, micros]) => `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}${micros}`) },
  { weight: 1, arbitrary: fc.constantFrom("00:00:00", "23:59:59.999999") },
);
const infinities = fc.constantFrom("infinity", "-infinity");
const stamps = (zone: string): fc.Arbitrary<string> => fc.oneof({ weight: 20, arbitrary: fc.tuple(dates, times).map(([[date, era], time]) => `${date} ${time}${zone}${era}`) }, { weight: 1, arbitrary: infinities });
const zones = fc.oneof(fc.constant("+00"), fc.tuple(fc.constantFrom("+", "-"), fc.integer({ min: 1, max: 15 }), fc.constantFrom("", ":30", ":45:10", ":00:01")).map(([sign, hours, rest]) => `${sign}${two(hours)}${rest}`));
const int32 = fc.oneof(fc.integer({ min: -100, max: 100 }), fc.integer());

/** By type: values, and what the server makes of text that is not in its own form is left out. */
const VALUES: Readonly<Record<string, fc.Arbitrary<Present>>> = {
  bool: fc.boolean(),
  int2: fc.integer({ min: -32_768, max: 32_767 }),
  int4: fc.integer(),
  int8: fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
  float4: fc.float(),
  float8: fc.double(),
  numeric: numerics,
  text: fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\0", "")),
  uuid: fc.uuid(),
  bytea: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  jsonb: fc.json().filter((text) => !/\\u0000|\\ud[89a-f]/i.test(text) && !/e[+-]\d/i.test(text)),
  oid: fc.nat({ max: 2 ** 31 - 1 }).map((value) => value * 2 + 1),
  '"char"': fc.integer({ min: 0, max: 255 }).map((byte) => (byte === 0 ? "" : byte < 128 ? String.fromCharCode(byte) : `\\${byte.toString(8)}`)),
  pg_lsn: fc.tuple(fc.nat(), fc.nat()).map(([high, low]) => `${high.toString(16)}/${low.toString(16)}`.toUpperCase()),
  date: fc.oneof({ weight: 20, arbitrary: dates.map(([date, era]) => date + era) }, { weight: 1, arbitrary: infinities }, { weight: 1, arbitrary: fc.constantFrom("5874897-12-31", "4713-11-24 BC") }).filter((text) => text !== "4714-11-24"),
  timestamp: stamps(""),
  timestamptz: stamps("+00"),
  time: fc.oneof({ weight: 20, arbitrary: times }, { weight: 1, arbitrary: fc.constant("24:00:00") }),
  timetz: fc.tuple(times, zones).map(([time, zone]) => time + zone),
  interval: fc.oneof(
    fc.tuple(int32, int32, fc.oneof(fc.constant(0n), fc.bigInt({ min: -(1n << 62n), max: 1n << 62n }))).map(([months, days, time]) => {
      const bytes = Buffer.alloc(16);
      bytes.writeBigInt64BE(time, 0);
      bytes.writeInt32BE(days, 8);
      bytes.writeInt32BE(months, 12);
      return valueCodec("interval").decode(bytes, "binary");
    }),
    infinities,
  ),
};

test("values of every known type go to the server and come back, in binary and in text", async () => {
  const cluster = await startTestCluster();
  const client = await cluster.connect();
  await client.query("SET TimeZone = 'UTC'; SET DateStyle = 'ISO,YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1");
  const { rows: functions } = await client.query<{ typname: string; typsend: string }>("SELECT typname, typsend::text FROM pg_type");
  const sendOf = new Map(functions.map(({ typname, typsend }) => [typname, typsend]));
  for (const [type, arbitrary] of Object.entries(VALUES)) {
    const name = type.replaceAll('"', "");
    const codec = valueCodec(name);
    const values = fc.sample(arbitrary, 150);
    const { rows } = await client.query<{ text: string; bytes: Buffer }>(
      `SELECT value::text AS text, ${sendOf.get(name)!}(value) AS bytes FROM unnest($1::text[]) WITH ORDINALITY AS given (text, place), LATERAL (SELECT text::${type}) AS read (value) ORDER BY place`,
      [values.map((value) => codec.encode(value, "text").toString())],
    );
    values.forEach((value, index) => {
      const { text, bytes } = rows[index]!;
      // The server writes jsonb in its own way.
      if (type !== "jsonb") expect(codec.encode(value, "binary").toString("hex"), `${type} ${String(value)} as the server sends it`).toBe(bytes.toString("hex"));
      // Of floats the server may spell more digits out (floatText), of jsonb and bool it has other texts.
      if (!["jsonb", "bool", "float4", "float8"].includes(type)) expect(codec.encode(value, "text").toString(), `${type} as the server writes it`).toBe(text);
      const decoded = codec.decode(bytes, "binary");
      expect(codec.decode(Buffer.from(type === "bool" ? text.slice(0, 1) : text), "text")).toEqual(decoded);
      if (type !== "jsonb") expect(decoded).toEqual(value);
    });
  }
});

test.each<readonly [type: string, value: Present]>([
  ["bool", "t"], ["int2", 32_768], ["int4", 1.5], ["int8", 5], ["int8", 1n << 63n], ["float8", "1"], ["numeric", "1e5"], ["numeric", 5], ["numeric", ""],
  ["text", 5], ["text", "a\0b"], ["uuid", "a0eebc99"], ["bytea", "\\x00"], ["jsonb", 1], ["oid", -1], ["oid", 2 ** 32], ["char", "ab"], ["char", "é"], ["char", "\\400"], ["pg_lsn", "0"],
  ["date", "2023-02-29"], ["date", "2023-13-01"], ["date", "0000-01-01"], ["date", "2000-01-01 00:00:00"], ["date", "4714-11-23 BC"], ["date", "5874898-01-01"], ["date", "yesterday"],
  ["timestamp", "2000-01-01"], ["timestamp", "2000-01-01 24:00:01"], ["timestamp", "2000-01-01 00:00:00+00"], ["timestamptz", "2000-01-01 00:00:00"], ["timestamp", "294277-01-01 00:00:00"],
  ["time", "24:00:01"], ["time", "1:00:00"], ["timetz", "12:00:00"], ["timetz", "12:00:00+16"], ["interval", ""], ["interval", "1 hour"], ["interval", "3000000000 days"],
])("%s has no value %s", (type, value) => {
  for (const format of ["binary", "text"] as const) {
    expect(() => valueCodec(type).encode(value, format)).toThrow(expect.objectContaining({ code: "VALUE_NOT_OF_TYPE" }));
  }
});

test("a numeric with more digits than the server keeps is none", () => {
  expect(() => valueCodec("numeric").encode(`0.${"0".repeat(16_384)}`, "text")).toThrow(expect.objectContaining({ code: "VALUE_NOT_OF_TYPE" }));
});

test("timestamptz takes any zone and shows UTC", () => {
  const codec = valueCodec("timestamptz");
  expect(codec.encode("2024-01-01 01:30:00.50+02:30", "text").toString()).toBe("2023-12-31 23:00:00.5+00");
});

test("types that are not known here are their text, and nothing in binary", () => {
  expect(valueCodec("_int4").decode(Buffer.from("{1,2}"), "text")).toBe("{1,2}");
  expect(() => valueCodec("_int4").decode(Buffer.from("{1,2}"), "binary")).toThrow(expect.objectContaining({ code: "VALUE_TYPE_UNKNOWN" }));
});
