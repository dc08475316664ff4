import { describe, expect, it } from "vitest";
import type { CliEvent } from "../../../src/cli/view/cli-event.js";
import { displayWidth } from "../../../src/cli/view/fit.js";
import { jsonView } from "../../../src/cli/view/json-view.js";
import { liveView } from "../../../src/cli/view/live-view.js";
import { paintWith } from "../../../src/cli/view/paint.js";
import { plainView } from "../../../src/cli/view/plain-view.js";
import { Progress } from "../../../src/cli/view/progress.js";
import { recordedTerminal } from "../terminal.js";

const COLUMNS = 79;
const LONG = "inventory.a_table_with_a_name_that_no_line_can_hold_in_full";

const started: CliEvent = { type: "started", from: "shop", to: "shop_sharded", publication: "demo", shards: 2, stages: ["schema_sync:pre", "copy"] };
const copyStarted: CliEvent[] = [started, { type: "stage-started", stage: "copy" }, { type: "copy-started", tables: 3, rows: 400_000_000, bytes: 5e10, planned: [] }];

function progressAfter(events: readonly (readonly [number, CliEvent])[]): { progress: Progress; lines: string[] } {
  const progress = new Progress(paintWith(false));
  return { progress, lines: events.flatMap(([now, event]) => progress.apply(event, now)) };
}

describe("Progress of a copy", () => {
  const running = progressAfter([
    ...copyStarted.map((event) => [0, event] as const),
    [0, { type: "table-progress", table: LONG, rows: 0, bytes: 0, estimatedRows: 300_000_000 }],
    [2000, { type: "table-progress", table: LONG, rows: 150_000_000, bytes: 2_000_000_000, estimatedRows: 300_000_000 }],
    [2000, { type: "table-progress", table: "tags", rows: 12, bytes: 300, estimatedRows: -1 }],
  ]).progress;

  it("fits a terminal of 80 columns, whatever the names and numbers", () => {
    const block = running.block(COLUMNS, 2000);
    expect(block).toEqual([
      "copy          0 of 3 tables   150,000,012 rows   37%   1.0 GB/s   3 s left",
      "  inventory.a_table… ██████░░░░░░  50% 150,000,000 rows   1.0 GB/s     2 s left",
      "  tags                                          12 rows",
    ]);
    expect(Math.max(...block.map(displayWidth))).toBeLessThanOrEqual(COLUMNS);
    for (const columns of [20, 40, 60, 200]) expect(Math.max(...running.block(columns, 2000).map(displayWidth))).toBeLessThanOrEqual(columns);
  });

  it("shows the key that is built after the rows, and a line for each table that is done", () => {
    const { progress, lines } = progressAfter([
      ...copyStarted.map((event) => [0, event] as const),
      [100, { type: "table-progress", table: "orders", rows: 10, bytes: 1000, estimatedRows: 10 }],
      [1000, { type: "table-copied", table: "orders", rows: 10, bytes: 1000, milliseconds: 900, resumed: false }],
    ]);
    expect(lines).toEqual(["shop → shop_sharded: 2 shards, publication demo", "  orders                                     10 rows     1.0 kB        900 ms"]);
    expect(progress.block(COLUMNS, 4200)[1]).toBe("  orders             10 rows   building its key 3.0 s");
    progress.apply({ type: "table-key-built", table: "orders", milliseconds: 4000 }, 5000);
    expect(progress.block(COLUMNS, 5000)).toHaveLength(1);
  });

  it("says that a table was copied by a former run", () => {
    const { lines } = progressAfter([[0, { type: "table-copied", table: "orders", rows: 10, bytes: 0, milliseconds: 1, resumed: true }]]);
    expect(lines).toEqual(["  orders                                     10 rows   copied before"]);
  });

  it("counts anew when a table is tried again", () => {
    const { progress } = progressAfter([
      ...copyStarted.map((event) => [0, event] as const),
      [1000, { type: "table-progress", table: "orders", rows: 500, bytes: 5000, estimatedRows: 1000 }],
      [1100, { type: "retry", what: "copy of orders", reason: "server closed", attempt: 1, delay: 1000 }],
      [2500, { type: "table-progress", table: "orders", rows: 100, bytes: 1000, estimatedRows: 1000 }],
      [3500, { type: "table-progress", table: "orders", rows: 300, bytes: 3000, estimatedRows: 1000 }],
    ]);
    expect(progress.block(COLUMNS, 3500)[1]).toBe("  orders             ███▌░░░░░░░░  30%         300 rows   2.0 kB/s     4 s left");
  });
});

describe("Progress of the other stages", () => {
  it("shows lag, rate and when the shards will be in sync", () => {
    const stream = (changes: number, lag: number): CliEvent => ({ type: "stream-progress", sourceShard: 0, applied: 0x1600000n, source: 0x1700000n, lag, changes });
    const { progress } = progressAfter([[0, { type: "stage-started", stage: "replicate" }], [0, stream(0, 10_000_000)], [2000, stream(5000, 6_000_000)]]);
    expect(progress.block(COLUMNS, 2000)).toEqual(["replicate     lag 6.0 MB  3 s left  5,000 changes  2,500/s  applied 0/1600000"]);
    expect(progress.apply({ type: "stage-finished", stage: "replicate", milliseconds: 3000 }, 3000)).toEqual(["✓ replicate   5,000 changes, applied 0/1600000, 3.0 s"]);
    expect(progress.block(COLUMNS, 3000)).toEqual([]);
  });

  it("says what a finished stage did, or that it was done before", () => {
    const { lines } = progressAfter([
      [0, { type: "stage-finished", stage: "schema_sync:pre", milliseconds: 1, skipped: true }],
      [0, { type: "stage-started", stage: "verify" }],
      [0, { type: "verify-started", tables: 15, position: undefined }],
      [0, { type: "stage-finished", stage: "verify", milliseconds: 1500 }],
    ]);
    expect(lines).toEqual(["✓ schema pre  done before", "✓ verify      15 tables, 1.5 s"]);
  });

  it("keeps the demo's writers below everything else", () => {
    const { progress, lines } = progressAfter([
      [0, { type: "demo-servers-started", shards: 2, milliseconds: 1400 }],
      [0, { type: "demo-shop-loaded", tables: 15, rows: 1_000_090, milliseconds: 4800 }],
      [0, { type: "stage-started", stage: "schema_sync:pre" }],
      [0, { type: "demo-writers", writers: 4, transactions: 1234 }],
    ]);
    expect(lines).toEqual(["✓ servers     a source and 2 shards, 1.4 s", "✓ shop        15 tables, 1,000,090 rows, 4.8 s"]);
    expect(progress.block(COLUMNS, 0)).toEqual(["schema pre    reading the source's schema", "writers       4 at work   1,234 transactions"]);
  });
});

describe("plainView", () => {
  it("writes at most a line in five seconds about a table, and every table that is done", () => {
    const terminal = recordedTerminal();
    let now = 0;
    const view = plainView(terminal, () => now);
    for (const event of copyStarted) view.event(event);
    for (; now <= 12_000; now += 100) view.event({ type: "table-progress", table: "orders", rows: now, bytes: now * 10, estimatedRows: 20_000 });
    view.event({ type: "table-copied", table: "orders", rows: 20_000, bytes: 200_000, milliseconds: 12_000, resumed: false });
    expect(terminal.written.err).toBe(
      [
        "shop → shop_sharded: 2 shards, publication demo",
        "  orders: 5,000 rows, 25%, 10.0 kB/s, 15 s left",
        "  orders: 10,000 rows, 50%, 10.0 kB/s, 10 s left",
        "  orders                                 20,000 rows     200 kB          12 s",
        "",
      ].join("\n"),
    );
    expect(terminal.written.out).toBe("");
  });

  it("writes about a stream after five seconds, and then now and then", () => {
    const terminal = recordedTerminal();
    let now = 0;
    const view = plainView(terminal, () => now);
    view.event({ type: "stage-started", stage: "replicate" });
    for (; now <= 60_000; now += 500) view.event({ type: "stream-progress", sourceShard: 0, applied: 1n, source: 1n, lag: 0, changes: 3 });
    expect(terminal.written.err).toBe("replicate     no lag  3 changes  applied 0/1\n".repeat(2));
  });
});

describe("jsonView", () => {
  it("writes one object a line, positions as PostgreSQL does, a table's progress once a second", () => {
    const terminal = recordedTerminal({ json: true });
    let now = 0;
    const view = jsonView(terminal, () => now);
    for (; now < 2500; now += 100) view.event({ type: "table-progress", table: "orders", rows: now, bytes: now, estimatedRows: 5 });
    view.event({ type: "caught-up", sourceShard: 0, position: 0x16b374d848n });
    expect(terminal.objects()).toEqual([
      ...[0, 1000, 2000].map((rows) => ({ type: "table-progress", time: new Date(rows).toISOString(), table: "orders", rows, bytes: rows, estimatedRows: 5 })),
      { type: "caught-up", time: "1970-01-01T00:00:02.500Z", sourceShard: 0, position: "16/B374D848" },
    ]);
    expect(terminal.written.err).toBe("");
  });
});

describe("liveView", () => {
  it("draws over its block and leaves finished lines standing", () => {
    const terminal = recordedTerminal({ live: true });
    const view = liveView(terminal, () => 0);
    for (const event of copyStarted) view.event(event);
    view.say("one");
    expect(terminal.written.err).toBe("shop → shop_sharded: 2 shards, publication demo\none\ncopy          0 of 3 tables   0 rows   0%\n");
    terminal.written.err = "";
    view.event({ type: "stage-finished", stage: "copy", milliseconds: 5 });
    view.close(true);
    expect(terminal.written.err).toBe("\u001b[1A\r\u001b[0J✓ copy        0 tables, 0 rows, 5 ms\n\n");
  });

  it("never draws more lines than the terminal shows", () => {
    const terminal = recordedTerminal({ live: true, rows: 10 });
    const view = liveView(terminal, () => 0);
    for (const event of copyStarted) view.event(event);
    for (let table = 0; table < 40; table++) view.event({ type: "table-progress", table: `t${table}`, rows: 1, bytes: 1, estimatedRows: 2 });
    view.say("now");
    expect(terminal.written.err.trimEnd().split("\n")).toHaveLength(2 + 8);
    view.close(false);
  });
});

describe("Progress of a cutover", () => {
  const step = (name: "ready" | "drain" | "switch", state: "began" | "done" | "failed", milliseconds?: number, message?: string): CliEvent => ({ type: "cutover-step", migration: "m", step: name, state, ...(milliseconds === undefined ? {} : { milliseconds }), ...(message === undefined ? {} : { message }) });
  const ended = (outcome: "done" | "aborted", paused?: number): CliEvent => ({ type: "cutover-ended", migration: "m", outcome, from: "shop", to: "shop_sharded", ...(paused === undefined ? {} : { paused }) });

  it("tells each step with its time, and how long applications waited", () => {
    const { progress, lines } = progressAfter([{ type: "stage-started", stage: "cutover" } as const, step("drain", "began"), step("drain", "done", 31.4), step("switch", "began")].map((event) => [0, event] as const));
    expect(lines).toEqual(["  shards have everything          31 ms"]);
    expect(progress.describe(0)).toBe("cutover       switch");
    expect(progressAfter([[0, ended("done", 87.6)]]).lines).toEqual(["✓ shop_sharded is in charge, applications waited 88 ms"]);
  });

  it("says that it was given up, and why", () => {
    expect(progressAfter([step("drain", "failed", 12, "somebody\u001b writes"), ended("aborted", 40)].map((event) => [0, event] as const)).lines).toEqual([
      "  drain failed: somebody\ufffd writes",
      "  the cutover was given up: shop stays in charge, applications waited 40 ms",
    ]);
    expect(progressAfter([[0, ended("aborted")]]).lines).toEqual(["  the cutover was given up: shop stays in charge"]);
  });
});
