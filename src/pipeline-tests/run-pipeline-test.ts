import { from, lastValueFrom, type Observable, pipe, toArray } from "rxjs";
import { Action, NO_TUPLE } from "../change-batch.js";
import { ConfigurationError, type Problem } from "../config/configuration-error.js";
import type { Database, PipelineTest, TestChange } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { changesAsSql } from "../operators/changes-as-sql.js";
import { operateRows } from "../operators/operate-rows.js";
import type { OperatorChain } from "../operators/operator-chain.js";
import { changesOfShard, shardChanges } from "../operators/shard-changes.js";
import { shardRows } from "../operators/shard-rows.js";
import { SqlOfRows, type SqlTable } from "../operators/sql-of-rows.js";
import { ValueTexts } from "../operators/value-texts.js";
import type { LoadedOperator } from "../pipelines/load-operators.js";
import { chainFor } from "../pipelines/table-chain.js";
import { routeByOperator } from "../pipelines/route-behind.js";
import type { RowBatch } from "../row-batch.js";
import { routeOfTable } from "../sharding/route-of-table.js";
import { EVERY_SHARD, type TableRoute } from "../sharding/table-route.js";
import { changeBatches, deleteMessage, insertMessage, updateMessage, xlogData } from "../testing/change-batches.js";
import type { WholeMessage } from "../testing/encode-pgoutput.js";
import { changeOperators } from "../testing/play-history.js";
import { rowBatches, rowsOfBatch } from "../testing/row-batches.js";
import { shownChanges } from "../testing/shown-changes.js";
import { shapeOf, tableOfShape, testColumn, COLUMN_EXPECTED, isKeyless, relationOf, type TestTable } from "../testing/test-table.js";
import { type DifferenceLine, difference } from "./difference.js";
import { byName, type Expectation, expectations, fits, type Output, textOfOutput } from "./test-output.js";
import { testRowOf } from "./test-values.js";

export interface TestResult {
  readonly test: PipelineTest;
  readonly ok: boolean;
  /** How what came differs from what was expected; all of what came where it does not. */
  readonly lines: readonly DifferenceLine[];
  /** What the operators or the routing ended with. */
  readonly error: ReshardError | undefined;
}

/**
 * Passes a test's rows or changes through a pipeline's operators and sharding rules. No server is asked: values are in text,
 * as `resharding_copy_format = "text"` would have them.
 *
 * @param target - where rows go; undefined where a pipeline has no shards
 * @throws ConfigurationError where the test names columns or values that there are not
 */
export async function runPipelineTest(test: PipelineTest, loaded: readonly LoadedOperator[], target: Database | undefined): Promise<TestResult> {
  const problems: Problem[] = [];
  const table = tableOf(test, problems);
  if (problems.length > 0) throw new ConfigurationError(problems);
  const shards = target?.shards.length ?? 1;
  const given = test.given.kind === "rows"
    ? test.given.rows.map((row, index) => ({ row: testRowOf(table, row, (column) => test.placeOf("rows", index, column), problems), message: undefined }))
    : test.given.changes.map((change, index) => ({ row: undefined, message: messageOf(table, change, (...keys) => test.placeOf("changes", index, ...keys), problems) }));
  if (problems.length > 0) throw new ConfigurationError(problems);
  let out: readonly Output[] = [];
  let error: ReshardError | undefined;
  let after = table;
  try {
    const chain = chainFor(loaded, shapeOf(table), { note: ignore, count: ignore });
    after = chain === undefined ? table : tableOfShape(chain.output, table);
    const route = routeOf(after, chain, target, shards);
    if (test.expected.kind === "sql") {
      const statements = await (test.given.kind === "rows" ? rowsSql(table, after, given.map(({ row }) => row!), chain) : changesSql(table, after, given.map(({ message }) => message!), chain));
      const lines = difference(test.expected.statements, statements, (expected, got) => expected.trim() === got.trim(), String, String);
      return { test, ok: lines.every(({ sign }) => sign === " "), lines, error };
    }
    out = test.given.kind === "rows"
      ? await copied(table, after, given.map(({ row }) => row!), chain, route, shards)
      : await streamed(table, after, given.map(({ message }) => message!), chain, route, shards);
  } catch (failure) {
    if (!(failure instanceof ReshardError)) throw failure;
    error = failure;
  }
  const shown = (output: Expectation): string => textOfOutput(after, output);
  if (test.expected.kind === "sql") return { test, ok: false, lines: [], error };
  if (test.expected.kind === "error") return { test, ok: error?.code === test.expected.code, lines: error === undefined ? out.map((each) => ({ sign: "+", text: shown(each) })) : [], error };
  const expected = expectations(test, after, shards, problems);
  if (problems.length > 0 && error === undefined) throw new ConfigurationError(problems);
  const lines = difference(expected, out, fits, shown, shown);
  return { test, ok: error === undefined && lines.every(({ sign }) => sign === " "), lines, error };
}

function tableOf(test: PipelineTest, problems: Problem[]): TestTable {
  const columns = Object.entries(test.columns).flatMap(([name, definition]) => {
    const column = testColumn(name, definition);
    if (column === undefined) problems.push({ ...test.placeOf("columns", name), code: "WRONG_VALUE", message: `${JSON.stringify(definition)} defines no column`, expected: COLUMN_EXPECTED });
    // Whole rows are told: nothing of them is unchanged.
    return column === undefined ? [] : [{ ...column, large: false }];
  });
  const table: TestTable = { oid: 1, ...test.table, columns };
  return { ...table, full: isKeyless(table) };
}

function messageOf(table: TestTable, change: TestChange, placeOf: PipelineTest["placeOf"], problems: Problem[]): WholeMessage {
  switch (change.kind) {
    case "truncate":
      return { kind: "truncate", xid: undefined, relations: [table.oid], cascade: false, restartIdentity: false };
    case "insert":
      return insertMessage(table, testRowOf(table, change.row, (column) => placeOf("insert", column), problems), "text");
    case "delete":
      return deleteMessage(table, testRowOf(table, change.row, (column) => placeOf("delete", column), problems), "text");
    case "update": {
      const before = testRowOf(table, { ...change.row, ...change.old }, (column) => (change.old !== undefined && column in change.old ? placeOf("old", column) : placeOf("update", column)), problems);
      // Columns that an update leaves out are what they were.
      const after = testRowOf(table, { ...change.old, ...change.row }, (column) => placeOf("update", column), []);
      return updateMessage(table, before, after, "text");
    }
  }
}

function routeOf(after: TestTable, chain: OperatorChain | undefined, target: Database | undefined, shards: number): TableRoute {
  const shape = shapeOf(after);
  const own = chain && routeByOperator(shape, chain, shards);
  if (own !== undefined) return own;
  return target === undefined ? { kind: "omnisharded" } : routeOfTable(shape, target.sharding, shards);
}

/** Rows behind the operators. */
function operated(table: TestTable, rows: Parameters<typeof rowBatches>[1], chain: OperatorChain | undefined): Observable<RowBatch> {
  const batches$ = from(rowBatches(table, rows, { format: "text" }));
  return chain === undefined ? batches$ : batches$.pipe(operateRows(chain, "text"));
}

async function copied(table: TestTable, after: TestTable, rows: Parameters<typeof rowBatches>[1], chain: OperatorChain | undefined, route: TableRoute, shards: number): Promise<Output[]> {
  const batches = await lastValueFrom(operated(table, rows, chain).pipe(shardRows({ table: shapeOf(after), route, format: "text" }), toArray()));
  return batches.flatMap((batch) => rowsOfBatch(after, batch, "text").map((row, index): Output => ({
    shard: batch.shards[index] !== EVERY_SHARD ? batch.shards[index]! : shards === 1 ? 0 : "every", kind: undefined, values: byName(after, row), old: undefined,
  })));
}

async function streamed(table: TestTable, after: TestTable, messages: readonly WholeMessage[], chain: OperatorChain | undefined, route: TableRoute, shards: number): Promise<Output[]> {
  const operators = pipe(changeOperators({ tables: [table], chainOf: () => chain, routeOf: () => route, shards }, "text"), shardChanges(() => route));
  const batches = await lastValueFrom(from(changeBatches(transactionOf(table, messages))).pipe(operators, toArray()));
  return batches.flatMap((batch) => {
    const shown = shownChanges(batch, () => after);
    const found = shown.map((): { shard: number; output: Output }[] => []);
    for (let shard = 0; shard < shards; shard++) {
      const part = changesOfShard(batch, shard);
      for (let at = 0; at < part.count; at++) {
        const change = part.changes[at]!;
        const { row, old } = shown[change]!;
        const kind = KINDS[part.actions[at]!]!;
        // The key of a deleted row is the new row's, where that has the same.
        const tuple = kind === "delete" ? (batch.oldTuples[change] === NO_TUPLE ? keyOnly(after, row!) : old!) : kind === "truncate" ? [] : row!;
        found[change]!.push({ shard, output: { shard, kind, values: byName(after, tuple), old: kind === "update" && old !== undefined ? byName(after, old) : undefined } });
      }
    }
    return found.flatMap((outputs) => onEvery(outputs.map(({ output }) => output), shards));
  });
}

/** Messages as one transaction. */
function transactionOf(table: TestTable, messages: readonly WholeMessage[]): Buffer[] {
  return [xlogData({ kind: "begin", finalLsn: 1n, commitTime: 0n, xid: 1 }), xlogData(relationOf(table)), ...messages.map(xlogData), xlogData({ kind: "commit", commitLsn: 1n, endLsn: 2n, commitTime: 0n })];
}

/** An INSERT for each row. */
async function rowsSql(table: TestTable, after: TestTable, rows: Parameters<typeof rowBatches>[1], chain: OperatorChain | undefined): Promise<string[]> {
  const batches = await lastValueFrom(operated(table, rows, chain).pipe(toArray()));
  const sql = new SqlOfRows(sqlTableOf(after));
  const texts = new ValueTexts(sqlTableOf(after).columns);
  const statements: string[] = [];
  for (const batch of batches) texts.eachRow(batch, "text", (values) => statements.push(sql.insert([values]).trim().replaceAll("\n", " ")));
  return statements;
}

async function changesSql(table: TestTable, after: TestTable, messages: readonly WholeMessage[], chain: OperatorChain | undefined): Promise<string[]> {
  const described = { ...sqlTableOf(after), unwritten: [] };
  const operators = pipe(changeOperators({ tables: [table], chainOf: () => chain, routeOf: () => ({ kind: "omnisharded" }), shards: 1 }, "text"), changesAsSql(() => described));
  const batches = await lastValueFrom(from(changeBatches(transactionOf(table, messages))).pipe(operators, toArray()));
  return batches.flatMap(({ text }) => text.toString("utf8").split("\n")).filter((line) => line !== "" && !/^(?:BEGIN|COMMIT);/u.test(line));
}

function sqlTableOf(table: TestTable): SqlTable {
  return { ...shapeOf(table), key: table.columns.filter(({ key }) => key === true).map(({ name }) => name), identityAlways: [], partitioned: false };
}

/** What all of several shards do alike is told once. */
function onEvery(outputs: readonly Output[], shards: number): readonly Output[] {
  const [first] = outputs;
  if (first === undefined || shards === 1 || outputs.length < shards || outputs.some(({ kind }) => kind !== first.kind)) return outputs;
  return [{ ...first, shard: "every" }];
}

const KINDS: Readonly<Record<number, TestChange["kind"]>> = {
  [Action.Upsert]: "insert", [Action.Update]: "update", [Action.UpdateAnywhere]: "update", [Action.Arrive]: "insert", [Action.Delete]: "delete", [Action.Truncate]: "truncate",
};

function keyOnly(table: TestTable, row: readonly (string | null | undefined)[]): (string | null | undefined)[] {
  return row.map((value, place) => (table.columns[place]!.key === true ? value : undefined));
}

function ignore(): void {
  // What operators tell is for runs.
}
