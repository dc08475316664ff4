import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import type { Row } from "../../src/operators/lazy-row.js";
import { operateRows } from "../../src/operators/operate-rows.js";
import { operatorChain } from "../../src/operators/operator-chain.js";
import { perRow } from "../../src/operators/per-row.js";
import { RawValue } from "../../src/operators/raw-value.js";
import type { TableOperator } from "../../src/operators/table-operator.js";
import { encodeTuple } from "../../src/postgres/copy-binary.js";
import type { ValueFormat } from "../../src/postgres/value-format.js";
import type { RowBatch } from "../../src/row-batch.js";
import { TableBatch, type TableShape } from "../../src/table-batch.js";
import { NULL_VALUE } from "../../src/value-column.js";
import { passed } from "../../src/testing/passed.js";

/* Rows with columns of types that have no codec: arrays and inet are read in text only, an enum in both. */

const COLUMNS = [["id", "int4"], ["email", "text"], ["tags", "_int4"], ["address", "inet"], ["former", "inet"], ["mood", "enum"], ["ratio", "float8"]] as const;
const TABLE: TableShape = { schema: "public", name: "people", columns: COLUMNS.map(([name, type], place) => ({ name, type, partOfKey: place === 0 })) };

/** {1,2} as array_send writes it (utils/adt/arrayfuncs.c), and 10.0.0.1 as inet_send does (utils/adt/network.c). */
const TAGS = Buffer.from("00000001000000000000001700000002000000010000000400000001000000040000" + "0002", "hex");
const ADDRESS = Buffer.from("022000040a000001", "hex");

function int4(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function float8(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
}

const ROWS: Readonly<Record<ValueFormat, readonly (readonly (Buffer | null)[])[]>> = {
  binary: [
    [int4(1), Buffer.from("a@b.c"), TAGS, ADDRESS, null, Buffer.from("glad"), float8(Number.NaN)],
    [int4(2), null, null, null, ADDRESS, null, float8(0.5)],
  ],
  text: [
    ["1", "a@b.c", "{1,2}", "10.0.0.1", null, "glad", "NaN"],
    ["2", null, null, null, "10.0.0.1", null, "0.5"],
  ].map((row) => row.map((value) => (value === null ? null : Buffer.from(value)))),
};

function encoded(rows: readonly (readonly (Buffer | null)[])[], format: ValueFormat): RowBatch {
  const pieces = rows.map((row) => (format === "binary" ? encodeTuple(row) : Buffer.from(`${row.map((value) => value?.toString() ?? "\\N").join("\t")}\n`)));
  const ends: number[] = [];
  for (const piece of pieces) ends.push((ends.at(-1) ?? 0) + piece.length);
  return { sequence: 0, bytes: ends.at(-1)!, buffer: Buffer.concat(pieces), count: rows.length, starts: Uint32Array.from([0, ...ends.slice(0, -1)]), ends: Uint32Array.from(ends) };
}

function through(operator: TableOperator, format: ValueFormat = "binary", batch: RowBatch = encoded(ROWS[format], format)): RowBatch {
  return passed(batch, operateRows(operatorChain(TABLE, [{ name: "mine", operator }]), format));
}

/** The rows with other values in some columns of row 0. */
function changed(format: ValueFormat, values: Readonly<Partial<Record<(typeof COLUMNS)[number][0], Buffer | null>>>): Buffer {
  const [first, ...others] = ROWS[format];
  return encoded([COLUMNS.map(([name], place) => (name in values ? values[name]! : first![place]!)), ...others], format).buffer;
}

const isFirst = (row: Row): boolean => String(row["id"]) === "1";

describe.each(["binary", "text"] as const)("perRow on columns of types without codec, in %s", (format) => {
  test("leaves them alone, also where the row is copied", () => {
    const operator = perRow({ writes: ["email"] }, (row) => (typeof row["email"] === "string" ? { ...row, email: row["email"].toUpperCase() } : row));
    expect(through(operator, format).buffer).toEqual(changed(format, { email: Buffer.from("A@B.C") }));
  });

  test("keeps the bytes of what it may write and does not", () => {
    const came = encoded(ROWS[format], format);
    expect(through(perRow({ writes: COLUMNS.map(([name]) => name) }, (row) => ({ ...row })), format, came)).toBe(came);
    const some = perRow({ writes: ["tags", "address", "mood"] }, (row) => (isFirst(row) ? { ...row, tags: null, mood: "sad" } : row));
    expect(through(some, format).buffer).toEqual(changed(format, { tags: null, mood: Buffer.from("sad") }));
  });

  test("hands one on to another column of its type", () => {
    const operator = perRow({ writes: ["address", "former"] }, (row) => (isFirst(row) ? { ...row, former: row["address"]!, address: null } : row));
    expect(through(operator, format).buffer).toEqual(changed(format, { former: ROWS[format][0]![3]!, address: null }));
  });

  test("says which columns a row has, and shows them", () => {
    const seen: unknown[] = [];
    through(perRow({ writes: [] }, (row) => {
      if (isFirst(row)) seen.push(Object.keys(row), "tags" in row, inspect(row));
      return row;
    }), format);
    expect(seen.slice(0, 2)).toEqual([COLUMNS.map(([name]) => name), true]);
    expect(seen[2]).toContain("email: 'a@b.c'");
    expect(seen[2]).toContain(format === "binary" ? "address: <inet, 8 bytes>" : "address: '10.0.0.1'");
  });
});

describe("a value of a type without codec", () => {
  test("in text is its text", () => {
    const operator = perRow({ writes: ["tags"] }, (row) => ({ ...row, tags: typeof row["tags"] === "string" ? row["tags"].replace("1", "7") : null }));
    expect(through(operator, "text").buffer).toEqual(changed("text", { tags: Buffer.from("{7,2}") }));
  });

  const uses: readonly (readonly [name: string, use: (row: Row) => unknown])[] = [
    ["as a text", (row) => String(row["address"])],
    ["as a number", (row) => Number(row["address"])],
    ["in a template", (row) => `${row["address"] as unknown as string}!`],
    ["in JSON", (row) => JSON.stringify(row)],
  ];
  test.each(uses)("in binary cannot be used %s", (_, use) => {
    expect(() => through(perRow({ writes: ["email"] }, (row) => ({ ...row, email: String(use(row)) })))).toThrow(expect.objectContaining({
      code: "VALUE_TYPE_UNKNOWN", message: expect.stringMatching(/row of people with id 1.* type (?:inet|_int4) in binary/u) as string, remedy: expect.stringContaining("resharding_copy_format") as string,
    }));
  });

  test("in binary is of its own type, and cannot be made of a text", () => {
    const into = (value: Row[string]) => () => through(perRow({ writes: ["former"] }, (row) => ({ ...row, former: value })));
    expect(into("10.0.0.2")).toThrow(expect.objectContaining({ code: "VALUE_TYPE_UNKNOWN" }));
    expect(into(new RawValue("_int4", TAGS))).toThrow(expect.objectContaining({ code: "VALUE_TYPE_UNKNOWN" }));
    expect(into(new RawValue("inet", ADDRESS))).not.toThrow();
  });

  test("that came as text among others in binary stays text", () => {
    const text = Buffer.from("{1,2}");
    const batch = TableBatch.of({
      sequence: 0, bytes: text.length, format: "binary", count: 2, table: { ...TABLE, columns: [TABLE.columns[2]!] },
      locate: () => ({ buffer: text, offsets: Int32Array.of(0, 0), lengths: Int32Array.of(text.length, text.length), texts: Uint8Array.of(1, 1) }),
    });
    const column = passed(batch, perRow({ writes: ["tags"] }, (row) => ({ ...row, tags: row["tags"] === "{1,2}" ? row["tags"] : null })).operator).column("tags");
    expect([column.bytes(1), column.format(1)]).toEqual([text, "text"]);
    let row = 0;
    const [first, second] = [0, 1].map(() => passed(batch, perRow({ writes: ["tags"] }, (given) => (row++ % 2 === 0 ? { tags: null } : given)).operator).column("tags"));
    for (const each of [first!, second!]) expect([each.length(0), each.bytes(0), each.bytes(1), each.format(1)]).toEqual([NULL_VALUE, null, text, "text"]);
  });
});

describe("perRow", () => {
  test("decodes what is read, and nothing else", () => {
    // No float has 3 bytes.
    const [first] = ROWS.binary;
    const batch = encoded([first!.with(6, Buffer.alloc(3))], "binary");
    expect(through(perRow({ writes: [] }, (row) => ({ id: row["id"] })), "binary", batch)).toBe(batch);
    expect(() => through(perRow({ writes: [] }, (row) => ({ ...row })), "binary", batch)).toThrow();
  });

  test("gives each row its own values, and none when it is over", () => {
    const rows: Row[] = [];
    const copies: Row[] = [];
    through(perRow({ writes: [] }, (row) => {
      rows.push(row);
      copies.push({ ...row });
      return row;
    }));
    expect(copies.map((row) => [row["id"], row["email"], row["ratio"]])).toEqual([[1, "a@b.c", Number.NaN], [2, null, 0.5]]);
    expect(() => rows[0]!["id"]).toThrow(expect.objectContaining({ code: "OPERATOR_FAILED" }));
  });

  const mistakes: readonly (readonly [name: string, work: (row: Row) => unknown, error: object])[] = [
    ["changes the row it is given", (row) => { (row as Record<string, unknown>)["email"] = "x"; return row; }, { code: "OPERATOR_FAILED" }],
    ["gives nothing back", () => undefined, { code: "OPERATOR_FAILED", message: expect.stringMatching(/a value of type undefined for the row of people with id 1/u) as string }],
    ["gives a promise", (row) => Promise.resolve(row), { code: "OPERATOR_FAILED", message: expect.stringMatching(/a promise for/u) as string }],
    ["makes a value of another type", (row) => ({ ...row, email: 5 }), { code: "VALUE_NOT_OF_TYPE", message: expect.stringMatching(/"email" of the row of people with id 1.*: 5 is no value of type text/u) as string }],
    ["makes a value undefined", (row) => ({ ...row, email: undefined }), { code: "VALUE_NOT_OF_TYPE" }],
    ["writes a column that is not there", (row) => ({ ...row, mail: "x" }), { code: "OPERATOR_WROTE_UNDECLARED" }],
  ];
  test.each(mistakes)("that %s is stopped", (_, work, error) => {
    expect(() => through(perRow({ writes: ["email"] }, work as (row: Row) => Row))).toThrow(expect.objectContaining(error));
  });
});
