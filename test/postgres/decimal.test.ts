import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addDecimals, compareDecimals, decimalFromBinary, decimalFromText, decimalToBinary, decimalToText } from "../../src/postgres/decimal.js";
import { floatText } from "../../src/postgres/float-text.js";
import { startTestCluster } from "../support/cluster.js";

/** Texts as numeric_out writes them. */
const numerics = fc.oneof(
  { weight: 10, arbitrary: fc.tuple(fc.boolean(), fc.stringMatching(/^(0|[1-9][0-9]{0,30})$/), fc.stringMatching(/^[0-9]{0,20}$/)).map(([negative, whole, fraction]) => {
    const text = fraction === "" ? whole : `${whole}.${fraction}`;
    return negative && /[1-9]/.test(text) ? `-${text}` : text;
  }) },
  { weight: 1, arbitrary: fc.constantFrom("NaN", "Infinity", "-Infinity", `1${"0".repeat(1000)}`, `0.${"0".repeat(999)}1`, "0.0000", "10000", "0.0001", "100000000.00") },
);

test("numerics in text and binary are the server's, and so are sums and the order", async () => {
  const cluster = await startTestCluster();
  const client = await cluster.connect();
  const pairs = fc.sample(fc.tuple(numerics, numerics), 2000);
  const { rows } = await client.query<{ a: string; bytes: Buffer; b: string; sum: string; sign: number }>(
    `SELECT a::text AS a, numeric_send(a) AS bytes, b::text AS b, (a + b)::text AS sum, CASE WHEN a < b THEN -1 WHEN a > b THEN 1 ELSE 0 END AS sign
       FROM unnest($1::numeric[], $2::numeric[]) AS pair (a, b)`,
    [pairs.map(([a]) => a), pairs.map(([, b]) => b)],
  );
  expect(rows).toHaveLength(pairs.length);
  for (const row of rows) {
    const [a, b] = [decimalFromText(row.a), decimalFromText(row.b)];
    expect(decimalToText(a)).toBe(row.a);
    expect(decimalFromBinary(row.bytes)).toEqual(a);
    expect(decimalToBinary(a).toString("hex")).toBe(row.bytes.toString("hex"));
    expect(decimalToText(addDecimals(a, b))).toBe(row.sum);
    expect(Math.sign(compareDecimals(a, b))).toBe(row.sign);
  }

  const floats = fc.sample(fc.double(), 2000).concat(1e15, 1e14, 999999999999999, 0.0001, 0.00001, 123456789012345680, 5e-324, -0);
  const singles = fc.sample(fc.float(), 2000).concat(1e6, 100000, 999999, 1234567, Math.fround(1e-45), Math.fround(0.1), Math.fround(16777216), -0);
  const answer = await client.query<{ doubles: string[]; singles: string[] }>(
    "SELECT array(SELECT d::text FROM unnest($1::float8[]) d) AS doubles, array(SELECT d::text FROM unnest($2::float4[]) d) AS singles",
    [floats.map((value) => (Object.is(value, -0) ? "-0" : String(value))), singles.map((value) => (Object.is(value, -0) ? "-0" : String(value)))],
  );
  const same = (ours: string, theirs: string, read: (text: string) => number): void => {
    // A decimal half-way between two floats is spelled otherwise: it has to read back the same, in the same form.
    if (ours === theirs) return;
    expect(read(ours)).toBe(read(theirs));
    expect(ours.replaceAll(/\d+/g, "0")).toBe(theirs.replaceAll(/\d+/g, "0"));
  };
  floats.forEach((value, index) => { same(floatText(value, "float8"), answer.rows[0]!.doubles[index]!, Number); });
  singles.forEach((value, index) => { same(floatText(value, "float4"), answer.rows[0]!.singles[index]!, (text) => Math.fround(Number(text))); });
});

describe("a number that is none", () => {
  test.each(["", "1e5", "abc", "1.", "--1"])("%s", (text) => {
    expect(() => decimalFromText(text)).toThrow("no number");
  });
});
