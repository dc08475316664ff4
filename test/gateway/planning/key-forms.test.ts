import fc from "fast-check";
import type pg from "pg";
import { beforeAll, expect, test } from "vitest";
import type { KeyType } from "../../../src/config/types.js";
import { elementsOfBinary, elementsOfText } from "../../../src/gateway/planning/array-elements.js";
import { keyBytesOfText, storedText } from "../../../src/gateway/planning/key-bytes.js";
import { type BoundParameter, shardsOf } from "../../../src/gateway/planning/shards-of.js";
import { keyRouter } from "../../../src/sharding/key-router.js";
import { startTestCluster } from "../../support/cluster.js";

const SHARDS = 5;
let client: pg.Client;

beforeAll(async () => {
  client = await (await startTestCluster()).connect("postgres");
  // Stand in for functions that answer an error with NULL.
  for (const [type, send] of [["int8", "int8send"], ["uuid", "uuid_send"], ["text", "textsend"]] as const) {
    await client.query(`CREATE FUNCTION try_${type}(input text) RETURNS bytea LANGUAGE plpgsql AS $$ BEGIN RETURN ${send}(input::${type}); EXCEPTION WHEN data_exception OR invalid_text_representation THEN RETURN NULL; END $$`);
  }
});

const SQL_TYPES: Readonly<Record<KeyType, string>> = { bigint: "int8", uuid: "uuid", varchar: "text" };

/** What the server reads: send format, null where it refuses. */
async function sent(dataType: KeyType, texts: readonly string[]): Promise<(Buffer | null)[]> {
  const { rows } = await client.query<{ sent: Buffer | null }>(`SELECT try_${SQL_TYPES[dataType]}(input) AS sent FROM unnest($1::text[]) WITH ORDINALITY AS i (input, place) ORDER BY place`, [texts]);
  return rows.map((row) => row.sent);
}

const integer = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: -300n, max: 300n }), fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }));
const blanks = fc.stringMatching(/^[ \t\n\v\f\r]{0,3}$/);
const integerText = fc.oneof(
  fc.tuple(blanks, integer, blanks, fc.constantFrom("", "+", "0", "00"), fc.boolean()).map(([left, value, right, prefix, grouped]) => {
    const digits = (value < 0n ? -value : value).toString();
    return `${left}${value < 0n ? "-" : prefix === "+" ? "+" : ""}${prefix === "+" ? "" : prefix}${grouped ? digits.replaceAll(/(?<=\d)(?=\d{3}$)/g, "_") : digits}${right}`;
  }),
  integer.filter((value) => value >= 0n).map((value) => `0x${value.toString(16)}`),
  integer.filter((value) => value >= 0n).map((value) => `-0b${value.toString(2)}`),
  fc.constantFrom("", " ", "-", "+", "--5", "5.0", "1e3", "0x", "_1", "1_", "1__0", "5 5", "NaN", "0o17", "-0", "９"),
);

const uuidText = fc.oneof(
  fc.tuple(fc.uuid(), fc.constantFrom("plain", "braced", "dense", "grouped", "upper", "broken", "blank")).map(([uuid, form]) => {
    const dense = uuid.replaceAll("-", "");
    switch (form) {
      case "braced":
        return `{${uuid}}`;
      case "dense":
        return dense;
      case "grouped":
        return dense.replaceAll(/(?<=^(?:.{4})+)(?=.)/g, "-");
      case "upper":
        return uuid.toUpperCase();
      case "broken":
        return `${dense.slice(0, 3)}-${dense.slice(3)}`;
      case "blank":
        return ` ${uuid}`;
      default:
        return uuid;
    }
  }),
);

const textText = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\0", ""));

test.each([["bigint", integerText], ["uuid", uuidText], ["varchar", textText]] as const)("every spelling of a %s is the key that the server reads", async (dataType, spelling) => {
  await fc.assert(fc.asyncProperty(fc.array(spelling, { minLength: 40, maxLength: 80 }), async (texts) => {
    const expected = await sent(dataType, texts);
    const route = keyRouter({ dataType, hasher: "postgres", mapping: [] }, SHARDS);
    texts.forEach((text, index) => {
      const found = keyBytesOfText(dataType, text);
      const known = expected[index];
      // What the server refuses need not be refused here: it will say so itself.
      if (known === undefined || known === null) return;
      expect(found, JSON.stringify(text)).toEqual(known);
      for (const parameter of parametersOf(dataType, text, known)) {
        const shards = shardsOf({ kind: "keys", sets: [{ shardOf: route, dataType, values: [{ kind: "parameter", number: 1 }], stored: false }] }, [parameter]);
        expect(shards).toEqual({ kind: "shards", shards: [route(known, 0, known.length)] });
      }
    });
    const elements = texts.filter((_, index) => expected[index] !== null);
    await checkArrays(dataType, elements);
  }), { numRuns: 12 });
});

/** The same value as text and in every binary width that it fits. */
function parametersOf(dataType: KeyType, text: string, bytes: Buffer): BoundParameter[] {
  const as = (format: BoundParameter["format"], value: Buffer, typeOid: number): BoundParameter => ({ bytes: value, format, typeOid });
  if (dataType === "uuid") return [as("text", Buffer.from(text), 2950), as("binary", bytes, 0)];
  if (dataType === "varchar") return [as("text", Buffer.from(text), 1043), as("binary", bytes, 25)];
  const value = bytes.readBigInt64BE(0);
  const narrow = ([[4, 23], [2, 21]] as const).flatMap(([length, typeOid]) => (BigInt.asIntN(length * 8, value) === value ? [as("binary", bytes.subarray(8 - length), typeOid)] : []));
  return [as("text", Buffer.from(text), 0), as("binary", bytes, 20), ...narrow];
}

/** The server's own array, as text and in binary, has these elements. */
async function checkArrays(dataType: KeyType, texts: readonly string[]): Promise<void> {
  const array = `(SELECT array_agg(CASE WHEN place % 7 <> 0 THEN input::${SQL_TYPES[dataType]} END ORDER BY place) FROM unnest($1::text[]) WITH ORDINALITY AS i (input, place))`;
  const { rows } = await client.query<{ text: string | null; sent: Buffer | null }>(`SELECT ${array}::text AS text, array_send(${array}) AS sent`, [texts]);
  const expected = texts.map((text, index) => ((index + 1) % 7 === 0 ? null : keyBytesOfText(dataType, text)!));
  const { text, sent: binary } = rows[0]!;
  if (text === null || binary === null) return;
  expect(elementsOfText(text)!.map((element) => (element === null ? null : keyBytesOfText(dataType, element)))).toEqual(expected);
  expect(elementsOfBinary(binary)!.elements).toEqual(expected);
}

test("arrays of other shapes are not guessed at", () => {
  for (const text of ["{{1},{2}}", "[0:1]={1,2}", "{1,}", "{,1}", "1,2", "{a b\"c}"]) expect(elementsOfText(text), text).toBeUndefined();
  expect(elementsOfText("{}")).toEqual([]);
  // Only blanks of ASCII are blanks to the server.
  expect(elementsOfText("{\u00a0,a\u2003}")).toEqual(["\u00a0", "a\u2003"]);
  expect(elementsOfText('{ a , "b\\"c" , null, "NULL" , x y }')).toEqual(["a", 'b"c', null, "NULL", "x y"]);
  expect(elementsOfBinary(Buffer.alloc(5))).toBeUndefined();
});

test("blanks that a varchar(n) does not store are not hashed", async () => {
  await client.query("CREATE TEMP TABLE stored (key varchar(5))");
  for (const text of ["abc", "abc  ", "abc      ", "größ ", "größe   ", "", "       ", "😀😀😀😀😀  "]) {
    const { rows } = await client.query<{ sent: Buffer }>("INSERT INTO stored VALUES ($1) RETURNING textsend(key::text) AS sent", [text]);
    expect(storedText(Buffer.from(text), 5), text).toEqual(rows[0]!.sent);
  }
});

test("parameters that are no keys are refused, not guessed at", () => {
  const set = { shardOf: keyRouter({ dataType: "bigint" as const, hasher: "postgres" as const, mapping: [] }, SHARDS), dataType: "bigint" as const, stored: false };
  const ask = (values: Parameters<typeof shardsOf>[0]["sets"][number]["values"], ...parameters: BoundParameter[]): string => {
    const found = shardsOf({ kind: "keys", sets: [{ ...set, values }] }, parameters);
    return found.kind === "shards" ? found.shards.join() : found.kind;
  };
  const one = [{ kind: "parameter" as const, number: 1 }];
  expect(ask(one)).toBe("unroutable");
  expect(ask(one, { bytes: Buffer.from("5.0"), format: "text", typeOid: 0 })).toBe("unroutable");
  expect(ask(one, { bytes: Buffer.from("5"), format: "text", typeOid: 1700 })).toBe("unroutable");
  expect(ask(one, { bytes: Buffer.alloc(3), format: "binary", typeOid: 0 })).toBe("unroutable");
  expect(ask([{ kind: "elements", number: 1 }], { bytes: Buffer.from("{{1}}"), format: "text", typeOid: 0 })).toBe("unroutable");
  // No row has NULL for its key, nor one of no values.
  expect(ask(one, { bytes: null, format: "text", typeOid: 0 })).toBe("0");
  expect(ask([{ kind: "elements", number: 1 }], { bytes: Buffer.from("{}"), format: "text", typeOid: 0 })).toBe("0");
});

test("a stored key without a shard is refused; several sets have to be of one shard", () => {
  const listed = keyRouter({ dataType: "bigint", hasher: "postgres", mapping: [{ kind: "list", values: [1n, 2n], shard: 1 }, { kind: "list", values: [3n], shard: 2 }] }, SHARDS);
  const set = (stored: boolean, ...values: (number | null)[]): Parameters<typeof shardsOf>[0]["sets"][number] => ({
    shardOf: listed, dataType: "bigint", stored, values: values.map((value) => ({ kind: "constant", bytes: value === null ? null : keyBytesOfText("bigint", String(value))! })),
  });
  expect(shardsOf({ kind: "keys", sets: [set(true, null)] }, [])).toMatchObject({ kind: "unroutable" });
  expect(shardsOf({ kind: "keys", sets: [set(true, 7)] }, [])).toMatchObject({ kind: "unroutable" });
  expect(shardsOf({ kind: "keys", sets: [set(false, 7)] }, [])).toEqual({ kind: "shards", shards: [0] });
  expect(shardsOf({ kind: "keys", sets: [set(false, 3, 1, 7)] }, [])).toEqual({ kind: "shards", shards: [1, 2] });
  expect(shardsOf({ kind: "keys", sets: [set(false, 1), set(true, 2)] }, [])).toEqual({ kind: "shards", shards: [1] });
  expect(shardsOf({ kind: "keys", sets: [set(false, 1), set(false, 3)] }, [])).toEqual({ kind: "apart" });
  expect(shardsOf({ kind: "keys", sets: [set(false, 1, 3), set(false, 1)] }, [])).toEqual({ kind: "apart" });
  expect(shardsOf({ kind: "keys", sets: [set(false, 7), set(false, 3)] }, [])).toEqual({ kind: "shards", shards: [2] });
});
