import { describe, expect, it } from "vitest";
import { displayWidth } from "../../../src/cli/view/fit.js";
import { finishText } from "../../../src/cli/view/finish-text.js";
import { paintWith } from "../../../src/cli/view/paint.js";
import { statusText } from "../../../src/cli/view/status-text.js";
import { verdictSentence, verdictTable } from "../../../src/cli/view/verdict-table.js";
import { lagOf, type MigrationStatus } from "../../../src/pipelines/status.js";
import type { TableVerdict } from "../../../src/pipelines/table-verdict.js";

const plain = paintWith(false);

function verdict(table: string, parts: Partial<TableVerdict> = {}): TableVerdict {
  return { table, sharding: "key user_id", sourceRows: 10, shardRows: [4, 6], equal: true, misplaced: 0, ...parts };
}

describe("verdictTable", () => {
  const sound = [verdict("orders", { sourceRows: 400_000_000, shardRows: [199_876_543, 200_123_457] }), verdict("tags", { sharding: "omnisharded", shardRows: [10, 10] })];

  it("shows rows on the source and on each shard", () => {
    expect(verdictTable(sound, 80, plain)).toBe(
      [
        "table   sharding          source      shard 0      shard 1  equal",
        "orders  key user_id  400,000,000  199,876,543  200,123,457  ✓",
        "tags    omnisharded           10           10           10  ✓",
        "",
      ].join("\n"),
    );
    expect(verdictSentence(sound)).toBe("2 tables, 400,000,010 rows: all equal, and every row is on its shard.");
  });

  it.each([1, 2, 3, 4, 8, 16])("fits 80 columns with %i shards, long names and large numbers", (shards) => {
    const verdicts = [verdict("inventory.a_table_with_a_very_long_name_indeed", { sourceRows: 400_000_000, shardRows: Array.from({ length: shards }, (_, shard) => 25_000_000 + shard) })];
    const lines = verdictTable(verdicts, 80, plain).split("\n");
    expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(80);
    expect(lines[1]).toContain("400,000,000");
    expect(lines[1]).toContain("25,000,000");
  });

  it("says in words what is wrong, with every table that is", () => {
    const verdicts = [
      verdict("few", { shardRows: [4, 5], equal: false }),
      verdict("many", { shardRows: [4, 7], equal: false, misplaced: 1 }),
      verdict("changed", { equal: false }),
      verdict("astray", { misplaced: 1200 }),
      verdict("omni", { sharding: "omnisharded", shardRows: [10, 12], equal: false }),
      verdict("fine"),
    ];
    const lines = verdictTable(verdicts, 80, plain).trimEnd().split("\n");
    expect(lines.slice(1, 7).map((line) => line.slice(-1))).toEqual(["✗", "✗", "✗", "✗", "✗", "✓"]);
    expect(lines.slice(7)).toEqual([
      "✗ few: the shards have 1 row too few",
      "✗ many: the shards have 1 row too many; 1 row lies on a shard where it does not belong",
      "✗ changed: as many rows, but the checksums differ",
      "✗ astray: 1,200 rows lie on a shard where they do not belong",
      "✗ omni: shard 1 has 2 rows too many",
    ]);
    expect(verdictSentence(verdicts)).toBe("5 of 6 tables differ.");
  });
});

describe("statusText", () => {
  const now = Date.parse("2026-01-02T03:04:05Z");
  const status = (parts: Partial<MigrationStatus> = {}): MigrationStatus => ({
    entry: {
      id: "shop to sharded (demo)",
      source: "shop",
      destination: "sharded",
      publication: "demo",
      slots: ["reshard_1_0"],
      finishedStages: ["schema_sync:pre", "copy"],
      phase: "replicate",
      startedAt: new Date(now - 3_720_000),
      updatedAt: new Date(now - 5000),
    },
    running: true,
    shards: [
      { server: "10.0.0.2:5432/shop", tablesCopied: 15, rowsCopied: 1234, applied: [0x16b3748n] },
      { server: "10.0.0.3:5432/shop", tablesCopied: 14, rowsCopied: 1, applied: [undefined] },
    ],
    cutover: undefined,
    sources: [{
      server: "10.0.0.1:5432/shop",
      tables: 15,
      slot: "reshard_1_0",
      slotState: { name: "reshard_1_0", confirmed: 0x16b3748n, active: true, walStatus: "extended", retainedBytes: 123_456_789 },
      lag: 4096,
    }],
    ...parts,
  });

  it("tells phase, shards, slot and lag", () => {
    expect(statusText([status()], "sharded", now)).toBe(`shop to sharded (demo)
  phase     replicate, running
  began     1 h 02 min ago, last step 5 s ago
  finished  schema pre, copy
  shard 0   10.0.0.2:5432/shop: 15 of 15 tables copied (1,234 rows), applied 0/16B3748
  shard 1   10.0.0.3:5432/shop: 14 of 15 tables copied (1 row), no change applied yet
  slot      reshard_1_0 on 10.0.0.1:5432/shop: active, keeps 123 MB of WAL (extended)
  lag       4.1 kB
`);
  });

  it("reminds of a slot that nobody reads", () => {
    const text = statusText([status({ running: false })], "sharded", now);
    expect(text).toContain("  phase     not running; last at replicate\n");
    expect(text).toContain("As long as the slot is there, 10.0.0.1:5432/shop keeps its WAL for it.");
    expect(text).toContain("pg-reshard finish");
  });

  it("says that a slot is lost, gone, or on a server that was not asked", () => {
    const source = status().sources[0]!;
    expect(statusText([status({ sources: [{ ...source, slotState: { ...source.slotState!, walStatus: "lost" } }] })], "sharded", now)).toContain("the migration cannot go on");
    const gone = statusText([status({ running: false, sources: [{ ...source, slotState: undefined, lag: undefined }] })], "sharded", now);
    expect(gone).toContain("none on 10.0.0.1:5432/shop (reshard_1_0)");
    expect(gone).not.toContain("As long as");
    expect(statusText([status({ sources: [] })], "sharded", now)).toContain("reshard_1_0 on the source shop, which was not asked");
  });

  it("tells of a cutover", () => {
    const cutover = { migration: "m", step: "drain", outcome: undefined, reason: undefined, fences: undefined, starts: undefined, durations: {}, paused: undefined, startedAt: new Date(now - 9000), stepAt: new Date(now - 8000), endedAt: undefined } as const;
    expect(statusText([status({ cutover })], "sharded", now)).toContain("  cutover   not finished; last at drain, 8 s ago: run the pipeline again\n");
    expect(statusText([status({ cutover: { ...cutover, outcome: "aborted", reason: "somebody writes", paused: 12.3, endedAt: new Date(now - 7000) } })], "sharded", now)).toContain("  cutover   given up 7 s ago at drain, applications waited 12 ms: somebody writes\n");
    expect(statusText([status({ cutover: { ...cutover, step: "resume", outcome: "done", paused: 80, endedAt: new Date(now - 7000) } })], "sharded", now)).toContain("  cutover   sharded took over 7 s ago, applications waited 80 ms\n");
  });

  it("lists several migrations, or says that there is none", () => {
    expect(statusText([status(), status()], "sharded", now).split("\n\n")).toHaveLength(2);
    expect(statusText([], "sharded", now)).toBe("No migration to sharded has begun.\n");
  });
});

describe("lagOf", () => {
  it("is that of the shard furthest behind; one without changes is where the slot is", () => {
    expect(lagOf(1000n, [900n, 700n], { confirmed: 100n })).toBe(300);
    expect(lagOf(1000n, [900n, undefined], { confirmed: 100n })).toBe(900);
    expect(lagOf(1000n, [1100n], { confirmed: 100n })).toBe(0);
    expect(lagOf(1000n, [undefined], { confirmed: undefined })).toBeUndefined();
  });
});

describe("finishText", () => {
  const nothing = { migration: "a to b (p)", known: true, droppedSlots: [], droppedProgress: [], keptFor: [] };

  it("says what was done", () => {
    expect(finishText({ ...nothing, droppedSlots: ["s_0"] })).toBe("a to b (p) is finished; dropped the slot s_0.\n");
    expect(finishText(nothing)).toBe("a to b (p) is finished; its slot was gone already.\n");
    expect(finishText({ ...nothing, known: false })).toBe("The journal knows no migration a to b (p): there is no slot to drop.\n");
    expect(finishText({ ...nothing, droppedProgress: ["h:1/d", "h:2/d"] })).toContain("Dropped the schema reshard on h:1/d, h:2/d.");
    expect(finishText({ ...nothing, keptFor: ["c to b (p)"] })).toContain("still need the schema reshard: c to b (p).");
  });
});
