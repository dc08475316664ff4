import fc from "fast-check";
import type pg from "pg";
import { beforeAll, expect, test } from "vitest";
import { startTestCluster } from "../../support/cluster.js";
import { WORLD_ROWS, WORLD_SCHEMA, WORLD_TABLES } from "../planning/differential-world.js";
import { type GeneratedStatement, statements } from "../planning/statement-generator.js";
import { type ShardedWorld, startWorld } from "./sharded-world.js";

/*
 * The same statements to one database with all the rows and to a sharded one, through the gateway and an ordinary client.
 */

const RUNS = Number(process.env["DIFFERENTIAL_RUNS"] ?? 400);

let world: ShardedWorld;
let whole: pg.Client;
let sharded: pg.Client;

beforeAll(async () => {
  const cluster = await startTestCluster();
  await cluster.createDatabase("whole");
  whole = await cluster.connect("whole");
  await whole.query(WORLD_SCHEMA);
  world = await startWorld(cluster, "world", 3);
  sharded = await world.connect();
  for (const { name } of WORLD_TABLES) {
    const rows = WORLD_ROWS[name]!;
    const tuples = rows.map((row) => `(${row.map((value) => (value === null ? "NULL" : typeof value === "number" ? String(value) : `'${value}'`)).join(", ")})`);
    const text = `INSERT INTO ${name} VALUES ${tuples.join(", ")} ON CONFLICT DO NOTHING`;
    expect((await sharded.query(text)).rowCount).toBe((await whole.query(text)).rowCount);
  }
  // Where one database would go on; the shards' own numbers differ from each other.
  for (const [index, client] of [whole, ...world.shards].entries()) await client.query(`SELECT setval('products_pid_seq', ${index < 2 ? 100 : 100 + index * 7})`);
});

interface Outcome {
  readonly rows: unknown[];
  readonly rowCount: number | null;
}

/** As text, whatever the types are. */
async function ask(client: pg.Client, text: string, values: readonly unknown[]): Promise<Outcome | { readonly code: string }> {
  try {
    const { rows, rowCount } = await client.query({ text, values: [...values], rowMode: "array", types: { getTypeParser: () => (value: string) => value } } as unknown as pg.QueryArrayConfig<unknown[]>);
    return { rows: rows as unknown[], rowCount };
  } catch (error) {
    return { code: (error as { code: string }).code };
  }
}

/** All rows, as this client's transaction sees them. */
async function contents(client: pg.Client, comment = ""): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const { name, key, fixed } of WORLD_TABLES) {
    if (comment !== "" && (key !== undefined || fixed !== undefined)) continue;
    const answer = await ask(client, `${comment}SELECT * FROM ${name}`, []);
    if ("code" in answer) throw new Error(answer.code);
    found[name] = answer.rows.map((row) => JSON.stringify(row)).sort();
  }
  return found;
}

const counts = { answered: 0, changes: 0, refused: 0, failed: 0 };

async function compare({ text, values, ordered, loose }: GeneratedStatement): Promise<void> {
  await whole.query("BEGIN");
  await sharded.query("BEGIN");
  try {
    const expected = await ask(whole, text, values);
    const found = await ask(sharded, text, values);
    if ("code" in found && found.code === "0A000") {
      counts.refused++;
      return;
    }
    if ("code" in expected || "code" in found) {
      // Which of several rows fails first, and with it the error, is the executor's choice; that one fails is not.
      const ofRows = [expected, found].every((outcome) => "code" in outcome && /^(?:21|22|23)/.test(outcome.code));
      if (!ofRows) expect("code" in found ? found.code : found).toBe("code" in expected ? expected.code : expected);
      counts.failed++;
      return;
    }
    counts.answered++;
    const texts = ({ rows }: Outcome): string[] => (ordered ? rows.map((row) => JSON.stringify(row)) : rows.map((row) => JSON.stringify(row)).sort());
    if (loose) expect(found.rows).toHaveLength(expected.rows.length);
    else expect(texts(found)).toEqual(texts(expected));
    expect(found.rowCount).toBe(expected.rowCount);
    if (!/^\s*(?:select|values|with)/i.test(text)) {
      counts.changes++;
      const all = await contents(whole);
      expect(await contents(sharded)).toEqual(all);
      // The copies on all shards.
      for (let shard = 0; shard < 3; shard++) expect(all).toMatchObject(await contents(sharded, `/* pgdog_shard: ${shard} */ `));
    }
  } finally {
    await whole.query("ROLLBACK");
    await sharded.query("ROLLBACK");
    // Sequences do not roll back.
    if (/products/i.test(text)) for (const client of [whole, world.shards[0]!]) await client.query("SELECT setval('products_pid_seq', 100)");
  }
}

test("answers are those of one database with all the rows, or a statement is refused", async () => {
  expect(await contents(sharded)).toEqual(await contents(whole));
  await fc.assert(fc.asyncProperty(statements, compare), { numRuns: RUNS, endOnFailure: true });
  if (process.env["DIFFERENTIAL_RUNS"] !== undefined) process.stderr.write(`${JSON.stringify(counts)}\n`);
  expect(world.errors).toEqual([]);
  expect(counts.answered / RUNS).toBeGreaterThan(0.3);
  expect(counts.changes / RUNS).toBeGreaterThan(0.08);
});
