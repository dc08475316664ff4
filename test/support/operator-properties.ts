import fc from "fast-check";
import { from, map, type Observable } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import { expect } from "vitest";
import { operatorChain } from "../../src/operators/operator-chain.js";
import { RunningChain } from "../../src/operators/running-chain.js";
import { keyColumns, type OperatorContext, type OperatorDefinition, type TableOperator } from "../../src/operators/table-operator.js";
import type { TableBatch, TableShape } from "../../src/table-batch.js";
import type { ValueFormat } from "../../src/postgres/value-format.js";
import { rowsIn, rowsOf, type RowValues, tableBatch } from "./table-rows.js";

/*
 * What holds for every operator that works on the copy and on the stream alike: ready properties, for the stock operators
 * and for those that users write.
 */

/** An operator with its options, as a pipeline file has them, and a table it works on. */
export interface OperatorCase {
  readonly definition: OperatorDefinition;
  readonly options: Readonly<Record<string, unknown>>;
  readonly table: TableShape;
}

export interface MadeOperator {
  readonly operator: TableOperator;
  /** The table behind it. */
  readonly table: TableShape;
  /** What it has counted. */
  readonly figures: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
}

/** Checks the options and makes the operator. Undefined: it leaves the table as it is. */
export function makeOperator({ definition, options, table }: OperatorCase): MadeOperator | undefined {
  const read = definition.options.safeParse(options);
  if (!read.success) throw new Error(read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
  const figures: Record<string, number> = {};
  const notes: string[] = [];
  const context: OperatorContext = {
    name: definition.name,
    table,
    note: (message) => { notes.push(message); },
    count: (figure, by) => { figures[figure] = (figures[figure] ?? 0) + by; },
  };
  const made = definition.create(read.data, context);
  if (made === undefined) return undefined;
  const operator = typeof made === "function" ? { operator: made } : made;
  return { operator, table: operator.table ?? table, figures, notes };
}

function required(of: OperatorCase): MadeOperator {
  const made = makeOperator(of);
  if (made === undefined) throw new Error(`${of.definition.name} leaves the table ${of.table.name} as it is`);
  return made;
}

/** A chain of the one operator, closed afterwards. */
function running<T>({ table, ...of }: OperatorCase, use: (chain: RunningChain, made: MadeOperator) => T): T {
  const made = required({ table, ...of });
  const chain = new RunningChain(operatorChain(table, [{ name: of.definition.name, operator: made.operator }]));
  try {
    return use(chain, made);
  } finally {
    chain.close();
  }
}

/** Rows cut into batches, at these places. */
function batchesOf(table: TableShape, rows: readonly RowValues[], cuts: readonly number[], format: ValueFormat): TableBatch[] {
  const places = [0, ...cuts.map((cut) => cut % (rows.length + 1)).sort((a, b) => a - b), rows.length];
  return places.slice(1).map((end, sequence) => tableBatch(table, rows.slice(places[sequence], end), { format, sequence, resume: BigInt(sequence) + 100n }));
}

const cuts = fc.array(fc.nat(), { maxLength: 4 });
const formats = fc.constantFrom<ValueFormat>("binary", "text");

/** Each batch comes out once, at once, with its sequence and position, however many of its rows are left. */
export function losesNoPosition(of: OperatorCase, runs = 50): void {
  fc.assert(fc.property(rowsOf(of.table), cuts, formats, (rows, at, format) => {
    const batches = batchesOf(of.table, rows, at, format);
    const out: TableBatch[] = [];
    from(batches).pipe(required(of).operator.operator).subscribe((batch) => { out.push(batch); });
    expect(out.map(({ sequence, resume, count }, index) => ({ sequence, resume, fits: count <= batches[index]!.count }))).toEqual(batches.map(({ sequence, resume }) => ({ sequence, resume, fits: true })));
  }), { numRuns: runs });
}

/** The rows that come out do not depend on how they are cut into batches. */
export function commutesWithSplit(of: OperatorCase, runs = 50): void {
  fc.assert(fc.property(rowsOf(of.table), cuts, formats, (rows, at, format) => {
    const passed = (places: readonly number[]): unknown[] => running(of, (chain) => batchesOf(of.table, rows, places, format).flatMap((batch) => rowsIn(chain.rows(batch))));
    expect(passed(at)).toEqual(passed([]));
  }), { numRuns: runs });
}

/** Rows that come in text are what they are in binary. */
export function agreesInTextAndBinary(of: OperatorCase, runs = 50): void {
  fc.assert(fc.property(rowsOf(of.table), (rows) => {
    const passed = (format: ValueFormat): unknown => running(of, (chain) => rowsIn(chain.rows(tableBatch(of.table, rows, { format }))));
    expect(passed("text")).toEqual(passed("binary"));
  }), { numRuns: runs });
}

/** A row's key alone becomes what it becomes in the whole row, and no key is left out: so deletes find their rows. */
export function rowsAndKeysAgree(of: OperatorCase, runs = 50): void {
  fc.assert(fc.property(rowsOf(of.table), formats, (rows, format) => {
    running(of, (chain, made) => {
      const whole = chain.rows(tableBatch(of.table, rows, { format }));
      const keysOnly = rows.map((row) => row.map((value, column) => (of.table.columns[column]!.partOfKey ? value : undefined)));
      const keys = chain.keys(tableBatch(of.table, keysOnly, { format }));
      expect(keys.count).toBe(rows.length);
      const [rowKeys, oldKeys] = [whole, keys].map((batch) => keyColumns(made.table).map(({ name }) => ({ name, column: batch.column(name) })));
      for (let row = 0; row < whole.count; row++) {
        const origin = whole.origins[row]!;
        expect(oldKeys!.map(({ column }) => column.value(origin))).toEqual(rowKeys!.map(({ column }) => column.value(row)));
      }
      // Other columns of a key stay unknown, those that are made of nothing but the key aside.
      for (const [place, { name, partOfKey }] of made.table.columns.entries()) {
        if (partOfKey || place >= of.table.columns.length) continue;
        for (let row = 0; row < keys.count; row++) expect(keys.column(name).isAbsent(row)).toBe(true);
      }
    });
  }), { numRuns: runs });
}

/** Different keys stay different: no row overwrites another. */
export function keepsKeysApart(of: OperatorCase, runs = 50): void {
  fc.assert(fc.property(rowsOf(of.table), (rows) => {
    running(of, (chain, made) => {
      const batch = chain.rows(tableBatch(of.table, rows));
      const places = made.table.columns.flatMap(({ partOfKey }, place) => (partOfKey ? [place] : []));
      const keys = rowsIn(batch).map((row) => places.map((place) => String(row[place])).join("\u0001"));
      expect(new Set(keys).size).toBe(keys.length);
    });
  }), { numRuns: runs });
}

/** All of these. */
export function holdsProperties(of: OperatorCase, runs?: number): void {
  losesNoPosition(of, runs);
  commutesWithSplit(of, runs);
  agreesInTextAndBinary(of, runs);
  rowsAndKeysAgree(of, runs);
  keepsKeysApart(of, runs);
}

/** Batches of rows by a letter, through the operator on virtual time: `marbles` in, `expected` out, of `rows` what is there. */
export function expectMarbles(of: OperatorCase, marbles: string, batches: Readonly<Record<string, readonly RowValues[]>>, expected: string, rows: Readonly<Record<string, readonly unknown[]>>): void {
  new TestScheduler((actual, wanted) => { expect(actual).toEqual(wanted); }).run(({ cold, expectObservable }) => {
    const order = Array.from(marbles).filter((letter) => Object.hasOwn(batches, letter));
    const made = Object.fromEntries(order.map((letter, sequence) => [letter, tableBatch(of.table, batches[letter]!, { sequence })]));
    const out$: Observable<unknown> = cold(marbles, made).pipe(required(of).operator.operator, map((batch) => ({ sequence: batch.sequence, rows: rowsIn(batch) })));
    expectObservable(out$).toBe(expected, Object.fromEntries(order.map((letter, sequence) => [letter, { sequence, rows: rows[letter] }])));
  });
}
