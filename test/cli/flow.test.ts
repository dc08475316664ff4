import path from "node:path";
import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { outcomeOf } from "../support/cli.js";
import { recordedTerminal } from "./terminal.js";

const EXAMPLE = path.resolve(import.meta.dirname, "../../examples/masked-users.toml");

let cluster: Cluster;
let source: pg.Client;
let environment: Record<string, string>;
beforeAll(async () => {
  cluster = await startTestCluster();
  await cluster.createDatabase("shop");
  source = await cluster.connect("shop");
  await source.query(`
    CREATE DOMAIN email_address AS text CHECK (VALUE LIKE '%@%');
    CREATE TABLE users (id bigint PRIMARY KEY, email email_address NOT NULL, name text NOT NULL, country char(2) NOT NULL, active boolean NOT NULL, created_at timestamptz NOT NULL);
    INSERT INTO users SELECT n, 'user' || n || '@mail.org', 'User ' || n, 'DE', n <> 3, '2024-01-01' FROM generate_series(1, 5) AS n`);
  environment = { DEMO_SOURCE_PORT: String(cluster.port), DEMO_PASSWORD: cluster.password, MASK_KEY: "sixteen characters, or more" };
});

describe("run of a file of flows", () => {
  it("prints what its sink writes, and nothing else, on standard output", async () => {
    const { code, out, err } = await outcomeOf(["run", EXAMPLE], { env: environment });
    expect({ code, err }).toEqual({ code: 0, err: expect.stringMatching(/users>lines .*1 table, 4 rows/) as unknown });
    const rows = out.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, string>);
    expect(rows.map((row) => [row["id"], row["country"], row["created_at"]])).toEqual([1, 2, 4, 5].map((id) => [id, "DE", "2024-01-01T00:00:00+00:00"]));
    for (const { email, name } of rows) {
      expect(email).toMatch(/^[a-z]+\d@[a-z]+\.test$/);
      expect(name).toMatch(/^[0-9a-f]+$/);
    }
    expect(out).not.toMatch(/mail\.org|User/);
  });

  it("is checked, and does not mix events and rows", async () => {
    const checked = recordedTerminal({ environment });
    expect(await runCommandLine(["check", EXAMPLE], checked)).toBe(0);
    expect(checked.written.out).toContain("through private");
    const mixed = recordedTerminal({ environment, json: true });
    expect(await runCommandLine(["run", EXAMPLE, "--json"], mixed)).toBe(1);
    expect(mixed.objects().map(({ code }) => code)).toContain("STDOUT_TAKEN");
  });
});
