import { describe, expect, it } from "vitest";
import type { CliEvent } from "../../../src/cli/view/cli-event.js";
import { displayWidth } from "../../../src/cli/view/fit.js";
import { jsonView } from "../../../src/cli/view/json-view.js";
import { paintWith } from "../../../src/cli/view/paint.js";
import { plainView } from "../../../src/cli/view/plain-view.js";
import { Progress } from "../../../src/cli/view/progress.js";
import { recordedTerminal } from "../terminal.js";

const COLUMNS = 79;
const NAMES = ["orders_user_id_idx", "an_index_with_a_name_that_no_line_of_a_terminal_can_hold_in_full", "orders\u001b[2J"];
const statements = NAMES.map((name) => ({ kind: "index", object: { schema: "public", name }, sql: `CREATE INDEX ${name}` }));
const planned = (shard: number): CliEvent => ({ type: "schema-planned", phase: "post", shard, statements });
const statement = (shard: number, index: number, state: "running" | "done", done: number): CliEvent => ({ type: "schema-statement", phase: "post", shard, index, state, kind: "index", sql: statements[index]!.sql, done, total: NAMES.length });
const build = (shard: number, index: number, doing: string, share?: number): CliEvent => ({ type: "index-progress", phase: "post", shard, index, doing, share });

function progressAfter(events: readonly (readonly [number, CliEvent])[]): Progress {
  const progress = new Progress(paintWith(false));
  for (const [now, event] of events) expect(progress.apply(event, now)).toEqual([]);
  return progress;
}

const underWay = [
  [0, { type: "stage-started", stage: "schema_sync:post" }],
  [0, planned(0)],
  [0, planned(1)],
  [0, statement(0, 0, "running", 0)],
  [0, statement(1, 0, "running", 0)],
  [60_000, statement(1, 0, "done", 1)],
  [60_000, statement(1, 1, "running", 1)],
  [61_000, statement(1, 2, "running", 1)],
  [62_000, build(0, 0, "scanning table", 0.639)],
  [62_000, build(1, 1, "sorting live tuples")],
] as const satisfies readonly (readonly [number, CliEvent])[];

describe("statements under way", () => {
  it("stand below the shard that is furthest behind, with step and time, within 80 columns", () => {
    const progress = progressAfter(underWay);
    const block = progress.block(COLUMNS, 62_500);
    expect(block).toEqual([
      "schema post   0 of 3 statements",
      "  shard 0   index orders_user_id_idx                  scanning 63%   1 min 02 s",
      "  shard 1   index an_index_with_a_name_that_no_…           sorting        2.0 s",
      "  shard 1   index orders�[2J                                              1.0 s",
    ]);
    expect(Math.max(...block.map(displayWidth))).toBeLessThanOrEqual(COLUMNS);
    for (const columns of [20, 40, 60, 200]) expect(Math.max(...progress.block(columns, 62_500).map(displayWidth))).toBeLessThanOrEqual(columns);
    progress.apply(statement(0, 0, "done", 1), 63_000);
    expect(progress.block(COLUMNS, 63_000)).toHaveLength(3);
    expect(progress.block(COLUMNS, 63_000)[0]).toBe("schema post   1 of 3 statements");
  });

  it("are not shown where they are over in a moment, nor once the stage is", () => {
    const progress = progressAfter([...underWay, [70_000, statement(0, 1, "running", 1)]]);
    expect(progress.block(COLUMNS, 70_299)).toHaveLength(4);
    expect(progress.block(COLUMNS, 70_300)).toHaveLength(5);
    progress.apply({ type: "stage-started", stage: "replicate" }, 71_000);
    expect(progress.block(COLUMNS, 72_000)).toEqual(["replicate     connecting"]);
  });

  it("show beside the tables of a copy whose keys are built", () => {
    const progress = progressAfter([
      [0, { type: "stage-started", stage: "copy" }],
      [0, { type: "copy-started", tables: 1, rows: 10, bytes: 10, planned: [] }],
      [0, { type: "schema-planned", phase: "key", shard: 0, statements: [{ kind: "primary key", object: { schema: "public", name: "orders_pkey" }, sql: "" }] }],
      [0, { type: "schema-statement", phase: "key", shard: 0, index: 0, state: "running", kind: "primary key", sql: "", done: 0, total: 1 }],
      [1000, { type: "index-progress", phase: "key", shard: 0, index: 0, doing: "loading tuples in tree", share: 0.5 }],
    ]);
    expect(progress.block(COLUMNS, 4000).slice(1)).toEqual(["  shard 0   primary key orders_pkey                    loading 50%        4.0 s"]);
  });

  it("count a shard that has less to do than others, and one that has not begun", () => {
    const progress = progressAfter([[0, { type: "stage-started", stage: "schema_sync:post" }], [0, statement(1, 0, "done", 1)]]);
    expect(progress.block(COLUMNS, 0)).toEqual(["schema post   0 of 3 statements"]);
    progress.apply({ type: "schema-planned", phase: "cutover", shard: 0, statements: [] }, 0);
    progress.apply({ ...planned(1), phase: "cutover" } as CliEvent, 0);
    progress.apply({ ...statement(1, 0, "done", 1), phase: "cutover" } as CliEvent, 0);
    expect(progress.block(COLUMNS, 0)).toEqual(["cutover       1 of 3 statements"]);
  });
});

describe("index builds in a log", () => {
  it("get a line every five seconds", () => {
    const terminal = recordedTerminal();
    let now = 0;
    const view = plainView(terminal, () => now);
    view.event(planned(0));
    view.event(statement(0, 0, "running", 0));
    for (; now <= 12_000; now += 500) view.event(build(0, 0, "scanning table", now / 20_000));
    expect(terminal.written.err).toBe("  shard 0: index orders_user_id_idx: scanning 25%, 5.0 s\n  shard 0: index orders_user_id_idx: scanning 50%, 10 s\n");
  });

  it("leave the tables of a copy, whose keys are being built, to their own lines", () => {
    const terminal = recordedTerminal();
    let now = 0;
    const view = plainView(terminal, () => now);
    view.event({ type: "stage-started", stage: "copy" });
    view.event({ type: "copy-started", tables: 3, rows: 1000, bytes: 1000, planned: [] });
    view.event({ type: "table-progress", table: "orders", rows: 250, bytes: 500, estimatedRows: 1000 });
    for (; now <= 6000; now += 1000) view.event({ type: "schema-statement", phase: "key", shard: 0, index: 0, state: "done", kind: "primary key", sql: "", done: 1, total: 3 });
    expect(terminal.written.err).toMatch(/^copy          0 of 3 tables   250 rows   25%.*\n$/);
  });

  it("get a line a second as JSON; what is planned is counted there", () => {
    const terminal = recordedTerminal();
    let now = 0;
    const view = jsonView(terminal, () => now);
    view.event(planned(0));
    for (; now <= 1500; now += 500) view.event(build(0, 0, "scanning table", 0.5));
    const lines = terminal.written.out.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toEqual([
      { type: "schema-planned", time: "1970-01-01T00:00:00.000Z", phase: "post", shard: 0, statements: 3 },
      { type: "index-progress", time: "1970-01-01T00:00:00.000Z", phase: "post", shard: 0, index: 0, doing: "scanning table", share: 0.5 },
      { type: "index-progress", time: "1970-01-01T00:00:01.000Z", phase: "post", shard: 0, index: 0, doing: "scanning table", share: 0.5 },
    ]);
  });
});
