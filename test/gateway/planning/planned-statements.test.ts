import type pg from "pg";
import { beforeAll, expect, test } from "vitest";
import { readShardedCatalog } from "../../../src/gateway/planning/read-sharded-catalog.js";
import { StatementPlanner } from "../../../src/gateway/planning/statement-planner.js";
import type { StatementPlan } from "../../../src/gateway/planning/statement-plan.js";
import { connect } from "../../../src/postgres/connection.js";
import { loadParser } from "../../../src/schema/syntax-tree.js";
import { startTestCluster } from "../../support/cluster.js";
import { PLANNED } from "./planned-texts.js";
import { planText } from "./plan-text.js";
import { PLANNING_RULES, PLANNING_SCHEMA } from "./shop-world.js";

let planner: StatementPlanner;
let client: pg.Client;

beforeAll(async () => {
  await loadParser();
  const cluster = await startTestCluster();
  const setup = await cluster.connect("postgres");
  await setup.query(PLANNING_SCHEMA);
  await setup.end();
  client = await connect({ host: cluster.host, port: cluster.port, database: "postgres", user: cluster.user, password: cluster.password, sslmode: "disable" }, { applicationName: "test" });
  planner = new StatementPlanner(await readShardedCatalog(client, PLANNING_RULES, 3));
  await client.end();
});

function planOf(text: string): StatementPlan {
  const planned = planner.plan(text, ["public"]);
  if ("failure" in planned) throw new Error(`${text}: ${planned.failure.message}`);
  expect(planned.statements).toHaveLength(1);
  return planned.statements[0]!.plan;
}

test.each(PLANNED)("$about", ({ statements }) => {
  const found = statements.map(([text, expected]) => {
    const plan = planOf(text);
    if (plan.kind === "refused") {
      expect(plan.reason, text).toMatch(/\w{3}.*\.$/s);
      expect(plan.remedy, text).toMatch(/\w{3}.*\.$/s);
    }
    // A refusal shows why, so that a wrong one is seen at once.
    return [text, plan.kind === "refused" && expected !== "refused" ? `refused: ${plan.reason}` : planText(plan)];
  });
  expect(found).toEqual(statements.map((statement) => [...statement]));
});

test("what is nested deeply is planned or refused, never an error of its own", () => {
  for (const depth of [100, 1000, 3000, 8000]) {
    for (const text of [`SELECT ${"- ".repeat(depth)}1`, `SELECT ${"id +".repeat(depth)} 1 FROM users`, `SELECT ${"(SELECT ".repeat(depth / 20)}1${")".repeat(depth / 20)}`, `SELECT 1 FROM users WHERE ${"NOT (".repeat(depth)}true${")".repeat(depth)}`]) {
      const planned = planner.plan(text, ["public"]);
      if ("failure" in planned) expect(planned.failure.sqlState).toBe("54001");
      else expect(["routed", "refused"]).toContain(planned.statements[0]!.plan.kind);
    }
  }
});

test("several shards are asked for the columns that they sort by, under names of their own, and for the rows that others may have skipped", () => {
  const plan = planOf("SELECT id AS age FROM users u ORDER BY age, u.age DESC LIMIT 10 OFFSET 5");
  expect(plan.kind === "routed" && plan.textForSeveral?.replaceAll(/\s+/g, " ")).toBe("SELECT id AS age, u.age AS reshard_sort_0 FROM users AS u ORDER BY age, u.age DESC LIMIT 15");
});
