import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ServerAddress } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { CUTOVER_STEPS } from "../../src/progress/cutover-journal.js";
import { type CommandRun, startCommand } from "../support/cli.js";
import { startTestCluster } from "../support/cluster.js";
import { type App, APP_TABLES, AppWriters, makeApp, wrongEntries } from "../support/cutover-app.js";
import { FileGate } from "../support/file-gate.js";
import { differences } from "../support/oracle.js";
import { runToEnd } from "../support/pipeline.js";

/*
 * A cutover, and one back, are killed (SIGKILL) at every step while applications write through a gate that outlives the
 * process; the same command is started again each time, and has to finish or undo by itself what it finds.
 */

/** When the signal is sent: as a step begins, and where it matters when it has ended. */
const MOMENTS = [...CUTOVER_STEPS.slice(0, -1).map((step) => ({ step, state: "began" })), { step: "switch", state: "done" }, { step: "resume", state: "began" }] as const;

let cluster: Cluster;
let directory: string;

beforeAll(async () => {
  // What was acknowledged without waiting for the disk counts too.
  cluster = await startTestCluster({ settings: { synchronous_commit: "off", max_connections: 200 } });
  directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-"));
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

function pipelineFile({ pipeline }: App, gate: FileGate, tells: boolean): string {
  const database = (name: string, shard: number, { port, database: own }: ServerAddress): string =>
    `[[databases]]\nname = "${name}"\nshard = ${shard}\nhost = "127.0.0.1"\nport = ${port}\ndatabase_name = "${own}"\nuser = "${cluster.user}"\npassword = "${cluster.password}"\nsslmode = "disable"`;
  const file = path.join(directory, `${pipeline.from.name}.toml`);
  writeFileSync(file, [
    `[pipeline]\nfrom = "${pipeline.from.name}"\nto = "${pipeline.to.name}"\npublication = "everything"`,
    ...[pipeline.from, pipeline.to].flatMap(({ name, shards }) => shards.map(({ number, primary }) => database(name, number, primary))),
    `[[sharded_tables]]\ndatabase = "${pipeline.to.name}"\nname = "owners"\ncolumn = "id"`,
    `[[sharded_tables]]\ndatabase = "${pipeline.to.name}"\ncolumn = "owner"`,
    // What is compared is compared by the test; a machine that is busy may be slow.
    "[general]\ncutover_verify = false\ncutover_drain_timeout = 5000",
    '[[stages]]\ntype = "replicate"\n[[stages]]\ntype = "cutover"',
    gate.toml({ tells }),
  ].join("\n"));
  return file;
}

describe("a cutover that is killed (SIGKILL) at each step", () => {
  it("is finished or undone by the same command, forward and back", async () => {
    const app = await makeApp(cluster, "killed");
    expect((await runToEnd(app.pipeline)).sound).toBe(true);
    const gates = mkdtempSync(path.join(directory, "gate-"));
    const gate = new FileGate(gates, app.pipeline.from.name);
    let file = "";
    const writers = await AppWriters.start(app, 2, gate);
    const story: string[] = [];

    /** Until it streams with the right side in charge; then it is stopped, as an operator would. */
    async function completed(command: string): Promise<void> {
      const run: CommandRun = startCommand([command, file, "--json"], {
        onEvent(event) {
          const isOver = event.type === "stage-started" && run.events.some(({ type, outcome, stage, skipped }) => (type === "cutover-ended" && outcome === "done") || (type === "stage-finished" && stage === "cutover" && skipped === true));
          if (isOver) run.child.kill("SIGTERM");
        },
      });
      const code = await run.ended;
      story.push(`${command}: exit ${code}`);
      expect(code, `${story.join("\n")}\n${JSON.stringify(run.events.at(-1))}\n${run.stderr()}`).toBe(0);
    }

    async function killed(command: string, { step, state }: { readonly step: string; readonly state: string }): Promise<void> {
      const run: CommandRun = startCommand([command, file, "--json"], {
        onEvent(event) {
          if (event.type === "cutover-step" && event["step"] === step && event["state"] === state) run.child.kill("SIGKILL");
          // Past that moment already.
          if (event.type === "stage-started" && run.events.some(({ type, outcome, skipped }) => (type === "cutover-ended" && outcome === "done") || skipped === true)) run.child.kill("SIGTERM");
        },
      });
      const code = await run.ended;
      story.push(`${command}, ${step} ${state}: ${code === null ? "killed" : `exit ${code}`}, ${gate.inCharge} in charge, ${gate.isClosed ? "paused" : "going on"}`);
      // One that was cut over before by a later moment says so.
      const error = run.events.find(({ type }) => type === "error");
      if (code !== null && error?.["code"] !== "NOT_CUT_OVER") expect(code, `${story.join("\n")}\n${JSON.stringify(run.events.at(-1))}\n${run.stderr()}`).toBe(0);
    }

    try {
      // One way with commands that cannot tell which side is in charge: then the journal has to do.
      for (const [command, side, tells] of [["run", app.pipeline.to.name, false], ["rollback", app.pipeline.from.name, true]] as const) {
        file = pipelineFile(app, gate, tells);
        for (const moment of MOMENTS) await killed(command, moment);
        if (gate.inCharge !== side || gate.isClosed) await completed(command);
        expect(gate.inCharge, story.join("\n")).toBe(side);
        expect(gate.isClosed, story.join("\n")).toBe(false);
        expect(story.filter((line) => line.startsWith(command) && line.includes("killed")).length, story.join("\n")).toBeGreaterThanOrEqual(CUTOVER_STEPS.length);
        await writers.more(20);
      }
    } finally {
      gate.close();
      await writers.stop();
    }
    // Whatever was told to be committed, on either side, is where the applications are by now, once.
    expect(await wrongEntries(app.source, writers.acknowledged), story.join("\n")).toEqual([]);
    // And it streams forward again.
    expect((await runToEnd({ ...app.pipeline, stages: [{ type: "replicate", until: "caught-up" }] })).verdicts).toEqual([]);
    expect(await differences(app.source, app.shards, APP_TABLES)).toEqual([]);
    expect(await wrongEntries(app.shards, writers.acknowledged), story.join("\n")).toEqual([]);
  }, 300_000);
});
