import type pg from "pg";
import { beforeAll, expect, test } from "vitest";
import { loadPipelineFile } from "../../../src/config/load.js";
import { IdRanges } from "../../../src/demo/id-ranges.js";
import { demoPipelineToml } from "../../../src/demo/pipeline-toml.js";
import { seededRandom } from "../../../src/demo/random.js";
import { Missed, Transaction } from "../../../src/demo/transaction.js";
import { type TransactionKind, transactionKinds } from "../../../src/demo/transaction-kinds.js";
import { asAfterCutover } from "../../../src/gateway/planning/after-cutover.js";
import { readShardedCatalog } from "../../../src/gateway/planning/read-sharded-catalog.js";
import { Rehearsal } from "../../../src/gateway/planning/rehearsal.js";
import { StatementPlanner } from "../../../src/gateway/planning/statement-planner.js";
import { loadParser } from "../../../src/schema/syntax-tree.js";
import { newShop } from "../../demo/shop.js";
import { startTestCluster } from "../../support/cluster.js";

const SHARDS = 3;

let client: pg.Client;
let planner: StatementPlanner;
/** Every text that the demo's writers send. */
const texts = new Map<string, string>();

beforeAll(async () => {
  await loadParser();
  const cluster = await startTestCluster();
  client = await newShop(cluster, "shop", 2_000);
  const ports = Object.fromEntries(Array.from({ length: SHARDS }, (_, shard) => [`DEMO_SHARD_${shard}_PORT`, String(5432 + shard)]));
  const { to } = loadPipelineFile("demo.toml", { DEMO_SOURCE_PORT: "5431", DEMO_PASSWORD: "", ...ports }, () => Buffer.from(demoPipelineToml(SHARDS)));
  await client.query("SET search_path TO pg_catalog");
  planner = new StatementPlanner(asAfterCutover(await readShardedCatalog(client, to.sharding, SHARDS), "sharded"));
  await client.query("RESET search_path");

  const ids = await IdRanges.of(client);
  const random = seededRandom(3);
  for (const [kind, { work }] of Object.entries(transactionKinds)) {
    const recorder = { query: async (query: { readonly text: string }): Promise<unknown> => {
      texts.set(query.text, kind);
      return await client.query(query);
    } };
    for (let done = 0, tries = 0; done < 3 && tries < 30; tries++) {
      await client.query("BEGIN");
      try {
        await work(new Transaction(recorder as unknown as pg.Client, random, ids));
        done++;
      } catch (error) {
        if (!(error instanceof Missed)) throw error;
      } finally {
        await client.query("ROLLBACK");
      }
    }
  }
});

test("every statement of the demo's writers has a plan or a refusal with a reason", () => {
  expect(texts.size).toBeGreaterThan(50);
  const due: (() => void)[] = [];
  const rehearsal = new Rehearsal(planner, { later: (work) => due.push(work) });
  for (const text of texts.keys()) rehearsal.observe(text, ["postgres", "public"]);
  for (const text of texts.keys()) rehearsal.observe(text, ["postgres", "public"]);
  for (let work = due.shift(); work !== undefined; work = due.shift()) work();
  rehearsal.observe([...texts.keys()][0]!, ["postgres", "public"]);
  const found = rehearsal.statements();
  expect(found.reduce((sum, { calls }) => sum + calls, 0)).toBe(2 * texts.size + 1);
  const named = (future: string): string[] => found.filter((statement) => statement.future === future).map(({ text }) => text);
  expect(named("one shard").length).toBeGreaterThan(15);
  expect(named("all shards")).toContain("SELECT id, user_id FROM orders WHERE id >= $1 ORDER BY id LIMIT $2");
  expect(named("omnisharded")).toContain("INSERT INTO tags (name) VALUES ($1 || gen_random_uuid())");
  const refused = Object.fromEntries(found.filter(({ future }) => future === "refused").map(({ text, reason }) => [text.split(/ (?:WHERE|\(|SELECT id, \$)/)[0]!.trim(), reason!]));
  const keyChanges = ["cart_items SET user_id = $3", "crm.tenants SET slug = $2 || gen_random_uuid()", "devices SET id = gen_random_uuid()", "documents SET user_id = $2", "documents SET user_id = $2, id = nextval($3)", "orders SET user_id = $2", "sessions SET device_id = $2, score = $3", "users SET id = nextval($2)"];
  const saying = (part: string): string => expect.stringContaining(part) as string;
  expect(refused).toEqual({
    ...Object.fromEntries(keyChanges.map((text) => [`UPDATE ${text}`, saying("changes the sharding key")])),
    // Subqueries that would need rows of all shards together.
    "SELECT id FROM users": saying("cuts rows of several shards"),
    "UPDATE orders SET status = $2, coupons = CASE WHEN id % $3 = $4 THEN array_append(coupons, NULL) END": saying("cuts rows of several shards"),
    // Omnisharded tables that each shard would change in its own way.
    "UPDATE products SET price = round(price * $2, $3) % $4": saying("trigger"),
    "UPDATE settings SET name = $2 || nextval($3)": saying("not the same on every shard"),
  });
});

test("what the writers send to a sharded shop is refused nowhere", () => {
  const refused = [...texts].filter(([text]) => {
    const planned = planner.plan(text, ["postgres", "public"]);
    return "failure" in planned || planned.statements.some(({ plan }) => plan.kind === "refused");
  });
  // Of these kinds each is known to be for one database only.
  const kinds = new Set(refused.map(([, kind]) => kind));
  expect([...kinds].filter((kind) => !("unsharded" in transactionKinds[kind as TransactionKind]))).toEqual([]);
  expect(kinds.size).toBeGreaterThan(8);
});
