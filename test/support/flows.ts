import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Writable } from "node:stream";
import { onTestFinished } from "vitest";
import { readPipelineFile } from "../../src/config/load.js";
import type { FlowPipeline } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import type { PipelineEvent } from "../../src/pipelines/events.js";
import { runFlows } from "../../src/pipelines/flow/run-flows.js";

/** A directory of a test's own, gone after it. */
export function testDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-flow-"));
  onTestFinished(() => { rmSync(directory, { recursive: true, force: true }); });
  return directory;
}

/** `[[databases]]` of a server: by name, its shards' databases. */
export function databasesToml(cluster: Cluster, databases: Readonly<Record<string, readonly string[]>>): string {
  return Object.entries(databases).flatMap(([name, shards]) => shards.map((database, shard) =>
    `[[databases]]\nname = ${JSON.stringify(name)}\nshard = ${shard}\nhost = "${cluster.host}"\nport = ${cluster.port}\ndatabase_name = ${JSON.stringify(database)}\nuser = "${cluster.user}"\npassword = "${cluster.password}"\n`)).join("\n");
}

/** Two tries in small coins, so that what fails does so soon. */
const GENERAL = "[general]\nresharding_copy_retry_max_attempts = 3\nresharding_copy_retry_min_delay = 1\nresharding_replication_retry_max_attempts = 20\nresharding_replication_retry_min_delay = 10\n\n";

export interface FlowRun {
  readonly stdout: string;
  readonly events: readonly PipelineEvent[];
}

/** A pipeline file of flows, in a directory. */
export function flowPipeline(directory: string, toml: string): FlowPipeline {
  const file = path.join(directory, "flow.toml");
  writeFileSync(file, GENERAL + toml);
  const pipeline = readPipelineFile(file, {});
  if (pipeline.from !== undefined) throw new Error("the file moves a database");
  return pipeline;
}

/** Runs it to its end; `stdout` is all that its sinks printed. */
export async function runFlowToml(directory: string, toml: string, { signal = new AbortController().signal, onEvent }: { readonly signal?: AbortSignal; readonly onEvent?: (event: PipelineEvent) => void } = {}): Promise<FlowRun> {
  const pieces: Buffer[] = [];
  const events: PipelineEvent[] = [];
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done) {
      pieces.push(chunk);
      done();
    },
  });
  await runFlows({
    pipeline: flowPipeline(directory, toml),
    signal,
    stdout,
    report(event) {
      events.push(event);
      onEvent?.(event);
    },
  });
  return { stdout: Buffer.concat(pieces).toString("utf8"), events };
}
