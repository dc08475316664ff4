import type pg from "pg";
import { type BoundParameter, shardsOf } from "../../../src/gateway/planning/shards-of.js";
import type { Aggregate, Count, Gather, RoutedPlan, SortKey, StatementPlan } from "../../../src/gateway/planning/statement-plan.js";

export type Row = (string | null)[];

export interface Answer {
  readonly rows: readonly Row[];
  readonly rowCount: number;
  readonly types: readonly number[];
}

/** What a plan comes to, step by step and without haste: all rows are held, nothing runs at once. */
export async function execute(plan: Exclude<StatementPlan, { kind: "refused" }>, text: string, values: readonly (string | null)[], shards: readonly pg.Client[]): Promise<Answer | "refused"> {
  const parameters = values.map((value): BoundParameter => ({ bytes: value === null ? null : Buffer.from(value), format: "text", typeOid: 0 }));
  switch (plan.kind) {
    case "routed":
      return await executeRouted(plan, text, values, parameters, shards);
    case "split-insert": {
      const rowsOf = shards.map((): number[] => []);
      for (const [row, { key }] of plan.rows.entries()) {
        const found = shardsOf({ kind: "keys", sets: [key] }, parameters);
        if (found.kind !== "shards") return "refused";
        rowsOf[found.shards[0]!]!.push(row);
      }
      const answers: Answer[] = [];
      for (const [shard, rows] of rowsOf.entries()) if (rows.length > 0) answers.push(await ask(shards[shard]!, withConstants(plan.textOf(rows), values), []));
      return gathered({ kind: "union" }, answers, values);
    }
    case "insert-everywhere": {
      const first = await ask(shards[0]!, plan.firstText, values);
      for (const row of first.rows) for (const other of shards.slice(1)) await ask(other, plan.otherText, row.slice(-plan.columns));
      return { rows: plan.returning ? first.rows.map((row) => row.slice(0, -plan.columns)) : [], rowCount: first.rowCount, types: first.types };
    }
    default:
      throw new Error(`not generated: ${plan.kind}`);
  }
}

async function executeRouted(plan: RoutedPlan, text: string, values: readonly (string | null)[], parameters: readonly BoundParameter[], shards: readonly pg.Client[]): Promise<Answer | "refused"> {
  const { where } = plan;
  let numbers: readonly number[];
  switch (where.kind) {
    case "any":
      numbers = [1];
      break;
    case "first":
      numbers = [0];
      break;
    case "every":
      numbers = shards.map((_, shard) => shard);
      break;
    case "fixed":
      numbers = [where.shard];
      break;
    case "cursor":
      throw new Error("no cursors here");
    case "keys": {
      const found = shardsOf(where, parameters);
      if (found.kind !== "shards") return "refused";
      numbers = found.shards;
    }
  }
  if (numbers.length === 1) return await ask(shards[numbers[0]!]!, text, values);
  if (plan.gather.kind === "one-shard-only") return "refused";
  const answers: Answer[] = [];
  for (const shard of numbers) answers.push(await ask(shards[shard]!, plan.textForSeveral ?? text, values));
  return gathered(plan.gather, answers, values);
}

export async function ask(client: pg.Client, text: string, values: readonly (string | null)[]): Promise<Answer> {
  const result = await client.query({ text, values: [...values], rowMode: "array", types: { getTypeParser: () => (value: string) => value } });
  return { rows: result.rows as unknown as Row[], rowCount: result.rowCount ?? 0, types: result.fields.map(({ dataTypeID }) => dataTypeID) };
}

function gathered(gather: Gather, answers: readonly Answer[], values: readonly (string | null)[]): Answer {
  const rows = answers.flatMap((answer) => answer.rows);
  const rowCount = answers.reduce((sum, answer) => sum + answer.rowCount, 0);
  const { types } = answers[0]!;
  const cut = (all: readonly Row[], { limit, offset }: { readonly limit?: Count; readonly offset?: Count }): Answer => {
    const start = countOf(offset, values) ?? 0;
    const kept = all.slice(start, start + (countOf(limit, values) ?? all.length));
    return { rows: kept, rowCount: limit === undefined && offset === undefined ? rowCount : kept.length, types };
  };
  switch (gather.kind) {
    case "same":
      return answers[0]!;
    case "union":
      return cut(rows, gather);
    case "merge": {
      const sorted = rows.toSorted((a, b) => compareRows(a, b, gather.by, types));
      return cut(gather.hidden === 0 ? sorted : sorted.map((row) => row.slice(0, -gather.hidden)), gather);
    }
    case "aggregate":
      return { rows: [gather.columns.map((column, place) => aggregated(column, rows.map((row) => row[place]!), types[place]!))], rowCount: 1, types };
    case "one-shard-only":
      throw new Error("for one shard");
  }
}

function countOf(count: Count | undefined, values: readonly (string | null)[]): number | undefined {
  if (count === undefined) return undefined;
  const value = count.kind === "constant" ? count.value : (values[count.number - 1] ?? undefined);
  return value === undefined ? undefined : Number(value);
}

function compareRows(a: Row, b: Row, keys: readonly SortKey[], types: readonly number[]): number {
  for (const { column, descending, nullsFirst } of keys) {
    const place = column < 0 ? types.length + column : column;
    const [x, y] = [a[place] ?? null, b[place] ?? null];
    if (x === null || y === null) {
      if (x !== y) return (x === null) === nullsFirst ? -1 : 1;
      continue;
    }
    const order = compareValues(x, y, types[place]!);
    if (order !== 0) return descending ? -order : order;
  }
  return 0;
}

/** OIDs of int8, int2, int4, numeric. */
const NUMBERS = new Set([20, 21, 23, 1700]);

function compareValues(x: string, y: string, type: number): number {
  return NUMBERS.has(type) ? Number(x) - Number(y) : Buffer.compare(Buffer.from(x), Buffer.from(y));
}

function aggregated(column: Aggregate, values: readonly (string | null)[], type: number): string | null {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return null;
  switch (column.function) {
    case "count":
    case "sum":
      return String(known.reduce((sum, value) => sum + BigInt(value), 0n));
    case "min":
      return known.reduce((a, b) => (compareValues(a, b, type) <= 0 ? a : b));
    case "max":
      return known.reduce((a, b) => (compareValues(a, b, type) >= 0 ? a : b));
    case "bool_or":
      return known.includes("t") ? "t" : "f";
    case "bool_and":
      return known.includes("f") ? "f" : "t";
  }
}

/** A text may not mention every parameter, of which the server could not tell the type then. */
function withConstants(text: string, values: readonly (string | null)[]): string {
  return text.replaceAll(/\$(\d+)/g, (_, number: string) => {
    const value = values[Number(number) - 1] ?? null;
    return value === null ? "NULL" : `'${value}'`;
  });
}
