import { from, lastValueFrom, map, toArray } from "rxjs";
import { describe, expect, test } from "vitest";
import { operateRows } from "../../src/operators/operate-rows.js";
import { operatorChain } from "../../src/operators/operator-chain.js";
import { perRow } from "../../src/operators/per-row.js";
import type { TableOperator } from "../../src/operators/table-operator.js";
import { encodeTuple, fieldAt, fieldLength } from "../../src/postgres/copy-binary.js";
import type { Value } from "../../src/postgres/value-codec.js";
import type { RowBatch } from "../../src/row-batch.js";
import type { TableBatch, TableShape } from "../../src/table-batch.js";

const USERS: TableShape = {
  schema: "public", name: "users",
  columns: [{ name: "id", type: "int4", partOfKey: true }, { name: "email", type: "text", partOfKey: false }, { name: "note", type: "text", partOfKey: false }],
};

type User = readonly [id: number, email: string | null, note: string | null];

function int4(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function binaryBatch(users: readonly User[], sequence = 0): RowBatch {
  const rows = users.map(([id, ...texts]) => encodeTuple([int4(id), ...texts.map((text) => (text === null ? null : Buffer.from(text)))]));
  return laidOut(rows, sequence);
}

function textBatch(lines: readonly string[]): RowBatch {
  return laidOut(lines.map((line) => Buffer.from(`${line}\n`)), 0);
}

function laidOut(rows: readonly Buffer[], sequence: number): RowBatch {
  const starts: number[] = [];
  let end = 0;
  for (const row of rows) {
    starts.push(end);
    end += row.length;
  }
  return { sequence, bytes: end, resume: 7n, buffer: Buffer.concat(rows), count: rows.length, starts: Uint32Array.from(starts), ends: Uint32Array.from([...starts.slice(1), end].slice(0, rows.length)) };
}

function usersOf({ buffer, starts, count }: RowBatch): User[] {
  const text = (row: number, column: number): string | null => {
    const at = fieldAt(buffer, starts[row]!, column);
    const length = fieldLength(buffer, at);
    return length < 0 ? null : buffer.toString("utf8", at + 4, at + 4 + length);
  };
  return Array.from({ length: count }, (_, row) => [buffer.readInt32BE(fieldAt(buffer, starts[row]!, 0) + 4), text(row, 1), text(row, 2)]);
}

async function through(batches: readonly RowBatch[], operators: readonly TableOperator[], format: "binary" | "text" = "binary"): Promise<RowBatch[]> {
  const chain = operatorChain(USERS, operators.map((operator, number) => ({ name: `operator ${number}`, operator })));
  return await lastValueFrom(from(batches).pipe(operateRows(chain, format), toArray()));
}

const inUpperCase = perRow({ writes: ["email"] }, (row) => ({ ...row, email: (row["email"] as string | null)?.toUpperCase() ?? null }));
const evenOnly: TableOperator = { writes: [], operator: map((batch: TableBatch) => batch.filter((row) => (batch.column("id").value(row) as number) % 2 === 0)) };

describe("rows of a COPY through operators", () => {
  const users: User[] = [[1, "a@b.c", "x"], [2, null, "tab\tand\nend"], [3, "é@b.c", null], [4, "d@e.f", ""]];

  test("keep their bytes where nothing is changed, and are picked where some are left out", async () => {
    const batch = binaryBatch(users);
    expect((await through([batch], [{ writes: [], drops: false, operator: (same) => same }]))[0]).toBe(batch);
    const [even] = await through([batch], [evenOnly]);
    expect(even!.buffer).toBe(batch.buffer);
    expect(usersOf(even!)).toEqual([users[1], users[3]]);
    expect(even).toMatchObject({ sequence: 0, resume: 7n });
  });

  test("are written anew where values change, one operator after the other", async () => {
    const [batch] = await through([binaryBatch(users)], [inUpperCase, evenOnly]);
    expect(usersOf(batch!)).toEqual([[2, null, "tab\tand\nend"], [4, "D@E.F", ""]]);
    expect(batch!.bytes).toBe(batch!.buffer.length);
  });

  test("in text, with what has to be escaped", async () => {
    const [batch] = await through([textBatch(["1\ta\\tb@c.d\tx\\\\y", "2\t\\N\t\\n", "3\tq@r.s\t\\N"])], [inUpperCase], "text");
    expect(batch!.buffer.toString()).toBe("1\tA\\tB@C.D\tx\\\\y\n2\t\\N\t\\n\n3\tQ@R.S\t\\N\n");
  });

  test("may all be left out: the batch is empty, with its place and position", async () => {
    const none: TableOperator = { operator: map((batch: TableBatch) => batch.filter(() => false)) };
    expect((await through([binaryBatch(users, 0), binaryBatch(users, 1)], [none])).map(({ sequence, count, resume }) => ({ sequence, count, resume }))).toEqual([{ sequence: 0, count: 0, resume: 7n }, { sequence: 1, count: 0, resume: 7n }]);
  });

  test("get columns that were not there", async () => {
    const table: TableShape = { ...USERS, columns: [...USERS.columns, { name: "twice", type: "int8", partOfKey: false }] };
    const doubled: TableOperator = { table, writes: ["twice"], drops: false, operator: map((batch: TableBatch) => batch.reshape(table).with("twice", (row): Value => BigInt(batch.column("id").value(row) as number) * 2n)) };
    const [batch] = await through([binaryBatch(users)], [evenOnly, doubled]);
    const at = fieldAt(batch!.buffer, batch!.starts[1]!, 3);
    expect(batch!.buffer.readBigInt64BE(at + 4)).toBe(8n);
  });
});

describe("an operator that does what it may not ends the flow and says so", () => {
  const batch = binaryBatch([[1, "a@b.c", "x"], [2, "b@b.c", "y"]]);
  const cases: readonly (readonly [name: string, operator: TableOperator, error: object])[] = [
    ["throws for a row", perRow({ writes: [] }, (row) => { if (row["id"] === 2) throw new Error("two!"); return row; }), { code: "OPERATOR_FAILED", message: 'Operator "operator 0": It threw for the row of users with id 2: two!' }],
    ["throws for a batch", { operator: map(() => { throw new Error("no!"); }) }, { code: "OPERATOR_FAILED", message: 'Operator "operator 0" threw for a batch of 2 that begins with the row of users with id 1: no!' }],
    ["gives no batch", { operator: (batches$) => batches$.pipe(toArray(), map((all) => all[0]!)) }, { code: "OPERATOR_NOT_ONE_FOR_ONE" }],
    ["ends", { operator: () => from([]) }, { code: "OPERATOR_NOT_ONE_FOR_ONE" }],
    ["writes what it did not declare", perRow({ writes: ["email"] }, (row) => ({ ...row, note: "z" })), { code: "OPERATOR_WROTE_UNDECLARED" }],
    ["leaves out a row undeclared", perRow({ writes: [] }, () => null), { code: "OPERATOR_DROPPED_ROW" }],
    ["gives a value of another type", perRow({ writes: ["email"] }, (row) => ({ ...row, email: 5 })), { code: "VALUE_NOT_OF_TYPE" }],
    ["asks for a column that is not there", { operator: map((rows: TableBatch) => rows.filter((row) => rows.column("mail").isAbsent(row))) }, { code: "OPERATOR_COLUMN_UNKNOWN" }],
  ];
  test.each(cases)("%s", async (_name, operator, error) => {
    await expect(through([batch], [operator])).rejects.toMatchObject(error);
  });
});
