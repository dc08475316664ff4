import fc from "fast-check";
import type pg from "pg";
import { beforeAll, expect, test } from "vitest";
import { readShardedCatalog } from "../../../src/gateway/planning/read-sharded-catalog.js";
import { findRelation, type ShardedCatalog } from "../../../src/gateway/planning/sharded-catalog.js";
import { StatementPlanner } from "../../../src/gateway/planning/statement-planner.js";
import { keyBytesOfText } from "../../../src/gateway/planning/key-bytes.js";
import { loadParser } from "../../../src/schema/syntax-tree.js";
import { startTestCluster } from "../../support/cluster.js";
import { WORLD_ROWS, WORLD_RULES, WORLD_SCHEMA, WORLD_TABLES, type WorldTable } from "./differential-world.js";
import { type Answer, ask, execute, type Row } from "./naive-executor.js";
import { type GeneratedStatement, statements } from "./statement-generator.js";

const SHARDS = 3;
const RUNS = Number(process.env["DIFFERENTIAL_RUNS"] ?? 500);

let whole: pg.Client;
let shards: pg.Client[];
let catalog: ShardedCatalog;
let planner: StatementPlanner;

beforeAll(async () => {
  await loadParser();
  const cluster = await startTestCluster();
  const clients: pg.Client[] = [];
  for (const name of ["whole", ...Array.from({ length: SHARDS }, (_, shard) => `shard_${shard}`)]) {
    await cluster.createDatabase(name);
    const client = await cluster.connect(name);
    await client.query(WORLD_SCHEMA);
    clients.push(client);
  }
  [whole, ...shards] = clients as [pg.Client, ...pg.Client[]];
  await shards[0]!.query("SET search_path TO pg_catalog");
  catalog = await readShardedCatalog(shards[0]!, WORLD_RULES, SHARDS);
  await shards[0]!.query("RESET search_path");
  planner = new StatementPlanner(catalog);
  for (const [index, client] of [whole, ...shards].entries()) {
    for (const table of WORLD_TABLES) {
      // Each shard has its copies in an order of its own.
      const rows = index % 2 === 0 ? WORLD_ROWS[table.name]! : WORLD_ROWS[table.name]!.toReversed();
      for (const row of rows) {
        const place = table.fixed ?? (table.key === undefined ? -1 : shardOf(table, String(row[Object.keys(table.columns).indexOf(table.key)])));
        if (index > 0 && place >= 0 && place !== index - 1) continue;
        await client.query(`INSERT INTO ${table.name} VALUES (${row.map((_, column) => `$${column + 1}`).join(", ")})`, [...row]);
      }
    }
  }
  // Where one database would go on; the shards' own numbers differ from each other.
  for (const [index, client] of [whole, ...shards].entries()) await client.query(`SELECT setval('products_pid_seq', ${index < 2 ? 100 : 100 + index * 7})`);
});

function shardOf(table: WorldTable, key: string): number {
  const found = findRelation(catalog, "public", table.name, []);
  if (found.kind !== "relation" || found.relation.placement.kind !== "key") throw new Error(table.name);
  const { placement } = found.relation;
  const bytes = keyBytesOfText(placement.dataType, key)!;
  return placement.shardOf(bytes, 0, bytes.length);
}

/** Everything in the tables, and on the shards' side whether each row is where it belongs. */
async function contents(clients: readonly pg.Client[]): Promise<Record<string, readonly string[] | readonly (readonly string[])[]>> {
  const found: Record<string, readonly string[] | readonly (readonly string[])[]> = {};
  for (const table of WORLD_TABLES) {
    const rows: Row[][] = [];
    for (const client of clients) rows.push([...(await ask(client, `SELECT * FROM ${table.name}`, [])).rows]);
    const texts = rows.map((list) => list.map((row) => JSON.stringify(row)).sort());
    if (table.key !== undefined || table.fixed !== undefined) {
      const key = Object.keys(table.columns).indexOf(table.key ?? "");
      if (clients.length > 1) rows.forEach((list, shard) => { for (const row of list) if ((table.fixed ?? shardOf(table, row[key]!)) !== shard) throw new Error(`${JSON.stringify(row)} of ${table.name} is on shard ${shard}`); });
      found[table.name] = texts.flat().sort();
    } else {
      // Each copy is the one that a database alone would have.
      for (const copy of texts) expect(copy).toEqual(texts[0]);
      found[table.name] = texts[0]!;
    }
  }
  return found;
}

const counts = { answered: 0, several: 0, changes: 0, refused: 0, failed: 0, reasons: new Map<string, number>() };

async function compare({ text, values, ordered, loose }: GeneratedStatement): Promise<void> {
  const planned = planner.plan(text, ["public"]);
  if ("failure" in planned) throw new Error(planned.failure.message);
  const { plan } = planned.statements[0]!;
  const refusedFor = (reason: string): void => {
    counts.refused++;
    counts.reasons.set(reason, (counts.reasons.get(reason) ?? 0) + 1);
  };
  if (plan.kind === "refused") {
    refusedFor(plan.reason);
    return;
  }
  const changes = plan.kind !== "routed" || plan.writes;
  const all = [whole, ...shards];
  for (const client of all) await client.query("BEGIN");
  try {
    let expected: Answer;
    try {
      expected = await ask(whole, text, values);
    } catch {
      // What the whole database refuses (a duplicate key, two rows where one may be) has no answer to compare with.
      counts.failed++;
      return;
    }
    const found = await execute(plan, text, values, shards).catch((error: unknown) => {
      // Whether a row is in the way of another that the statement moves or removes depends on which comes first.
      if (/^(?:MERGE|UPDATE)/.test(text) && (error as { readonly code?: string }).code === "23505") return "failed" as const;
      throw error;
    });
    if (found === "failed") {
      counts.failed++;
      return;
    }
    if (found === "refused") {
      refusedFor("at run time");
      return;
    }
    counts.answered++;
    if (plan.kind === "routed" && plan.where.kind === "every") counts.several++;
    const texts = ({ rows }: Answer): string[] => (ordered ? rows.map((row) => JSON.stringify(row)) : rows.map((row) => JSON.stringify(row)).sort());
    if (loose) expect(found.rows).toHaveLength(expected.rows.length);
    else expect(texts(found)).toEqual(texts(expected));
    expect(found.rowCount).toBe(expected.rowCount);
    if (changes) {
      counts.changes++;
      expect(await contents(shards)).toEqual(await contents([whole]));
    }
  } finally {
    for (const client of all) await client.query("ROLLBACK");
    // Sequences do not roll back.
    if (plan.kind === "insert-everywhere") for (const client of [whole, shards[0]!]) await client.query("SELECT setval('products_pid_seq', 100)");
  }
}

test("a plan's outcome is that of one database with all the rows, or it is refused", async () => {
  expect(await contents(shards)).toEqual(await contents([whole]));
  await fc.assert(fc.asyncProperty(statements, compare), { numRuns: RUNS, endOnFailure: true });
  const { answered, several, changes, refused, failed, reasons } = counts;
  if (process.env["DIFFERENTIAL_RUNS"] !== undefined) process.stderr.write(`${JSON.stringify({ answered, several, changes, refused, failed, reasons: [...reasons].sort((a, b) => b[1] - a[1]) }, undefined, 1)}\n`);
  // Most are answered, and of those enough by several shards and with changes.
  expect(answered / RUNS).toBeGreaterThan(0.33);
  expect(several / RUNS).toBeGreaterThan(0.1);
  expect(changes / RUNS).toBeGreaterThan(0.12);
  expect(failed / RUNS).toBeLessThan(0.12);
});
