import { from } from "rxjs";
import { operateRows } from "../src/operators/operate-rows.js";
import { operatorChain } from "../src/operators/operator-chain.js";
import { perRow } from "../src/operators/per-row.js";
import { stockOperators } from "../src/operators/stock/stock-operators.js";
import type { TableOperator } from "../src/operators/table-operator.js";
import type { RowBatch } from "../src/row-batch.js";
import type { TableShape } from "../src/table-batch.js";
import { measurePairs, timed } from "./measure-pairs.js";
import type { BenchOptions } from "./options.js";
import type { Measured, Target } from "./result.js";
import { encodeWideRow, ROW_BYTES } from "./wide-rows.js";

const BATCH_BYTES = 256 * 1024;
const TABLE: TableShape = {
  schema: "public", name: "wide_rows",
  columns: [["id", "int8"], ["user_id", "int8"], ["created_at", "timestamptz"], ["amount", "int4"], ["note", "text"]].map(([name, type], place) => ({ name: name!, type: type!, partOfKey: place === 0 })),
};
const KEY = "a secret of some length";

interface Pair {
  readonly name: string;
  readonly what: string;
  readonly columns: TableOperator;
  readonly rows: TableOperator;
  readonly target: Target;
}

const PAIRS: readonly Pair[] = [
  {
    name: "operators-filter",
    what: "amount >= 500 AND note LIKE '%7%'",
    columns: made("filter", { where: "amount >= 500 AND note LIKE '%7%'" }),
    rows: perRow({ writes: [], drops: true }, (row) => ((row["amount"] as number) >= 500 && (row["note"] as string).includes("7") ? row : null)),
    // It interprets a condition that perRow has in JavaScript.
    target: { of: "rate ratio", bound: "at least", value: 0.33, text: "at least a third of the rate of perRow, which reads two columns" },
  },
  {
    name: "operators-mask",
    what: "note = a constant",
    columns: made("mask", { key: KEY, columns: { note: { constant: "x" } } }),
    rows: perRow({ writes: ["note"] }, (row) => ({ ...row, note: "x" })),
    target: { of: "rate ratio", bound: "at least", value: 1.5, text: "at least 1.5 times the rate of perRow, which copies the row" },
  },
];

/** Rows of a COPY through an operator over columns, beside the same written with `perRow`; in memory. */
export async function benchOperators(options: BenchOptions): Promise<Measured[]> {
  const rows = Math.floor((options.megabytes * 1e6) / ROW_BYTES);
  const batches = prepared(rows);
  const measured: Measured[] = [];
  for (const { name, what, columns, rows: byRow, target } of PAIRS) {
    for (const operator of [columns, byRow]) pass(batches.slice(0, 50), operator); // once unmeasured, until the code is compiled
    const times = await measurePairs(
      options.rounds,
      () => timed(() => { pass(batches, columns); return Promise.resolve(); }),
      () => timed(() => { pass(batches, byRow); return Promise.resolve(); }),
    );
    measured.push({
      benchmark: name,
      what: `operateRows, ${what}`,
      subject: { label: "over columns, 1 core", seconds: times.subject },
      baseline: { label: "perRow", seconds: times.baseline },
      amounts: [{ unit: "rows", amount: rows }, { unit: "MB", amount: (rows * ROW_BYTES) / 1e6 }],
      target,
      conditions: { size: `${rows} rows of ${ROW_BYTES} bytes and 5 columns, in memory` },
    });
  }
  return measured;
}

function made(type: string, given: unknown): TableOperator {
  const definition = stockOperators[type]!;
  const read = definition.options.safeParse(given);
  if (!read.success) throw new Error(read.error.issues[0]?.message);
  const operator = definition.create(read.data, { name: type, table: TABLE, note: () => undefined, count: () => undefined });
  if (operator === undefined || typeof operator === "function") throw new Error(`${type} does nothing with the table`);
  return operator;
}

function pass(batches: readonly RowBatch[], operator: TableOperator): void {
  let seen = 0;
  from(batches).pipe(operateRows(operatorChain(TABLE, [{ name: "measured", operator }]), "binary")).subscribe({
    next() {
      seen++;
    },
    error(error: unknown) {
      throw error;
    },
  });
  if (seen !== batches.length) throw new Error(`${seen} batches came out of ${batches.length}`);
}

function prepared(rows: number): RowBatch[] {
  const perBatch = Math.floor(BATCH_BYTES / ROW_BYTES);
  return Array.from({ length: Math.ceil(rows / perBatch) }, (_, sequence) => {
    const count = Math.min(perBatch, rows - sequence * perBatch);
    const buffer = Buffer.concat(Array.from({ length: count }, (_row, row) => encodeWideRow(sequence * perBatch + row)));
    return { sequence, bytes: buffer.length, buffer, count, starts: Uint32Array.from({ length: count }, (_row, row) => row * ROW_BYTES), ends: Uint32Array.from({ length: count }, (_row, row) => (row + 1) * ROW_BYTES) };
  });
}
