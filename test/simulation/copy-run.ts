import { from, identity, type Subscription } from "rxjs";
import { run } from "../../src/flow.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import type { TableSpec } from "../support/changes.js";
import { type CopiedRows, copySession } from "./shard-session.js";
import { ConnectionLost, type SteppedSink } from "./stepped-sink.js";
import type { World } from "./world.js";

/** One attempt to copy a table from a source shard into the shards that lack it, as `copyMissing` makes it. */
export class CopyRun {
  readonly source: number;
  readonly spec: TableSpec;
  readonly sessions: readonly (SteppedSink<CopiedRows> | undefined)[];
  state: "running" | "failed" | "ended" = "running";
  error: unknown;
  readonly #subscription: Subscription;

  constructor(world: World, source: number, spec: TableSpec) {
    const { parts, shards } = world;
    const { position, state } = world.sources[source]!.snapshot();
    this.source = source;
    this.spec = spec;
    if (parts.fences) for (const shard of shards) shard.fence();
    this.sessions = shards.map((shard) => (isCopied(world, source, spec, shard.number) ? undefined : copySession({ shard, source, commitsOnDisk: parts.commitsOnDisk, isSeen: () => world.sources[source]!.seesUpTo(position) })));
    const missing = this.sessions.flatMap((session, shard) => (session === undefined ? [] : [shard]));
    if (missing.length === 0) this.state = "ended";
    world.note(() => `copy ${spec.name} at ${position} into shards ${missing.join(" ")}`);
    const split = (batch: CopiedRows, shard: number): CopiedRows => ({
      ...batch,
      rows: batch.rows.filter((row) => world.isAt(spec.oid, row, shard)),
    });
    const batches = cut(spec.oid, [...state.get(spec.oid)!.values()], position, world.settings.copyRows);
    this.#subscription = run(() => from(batches), identity, parts.toShards(split, this.sessions.map((session) => session?.sink))).subscribe({
      complete: () => { this.state = "ended"; },
      error: (error: unknown) => {
        this.state = "failed";
        this.error = error instanceof ConnectionLost ? undefined : error;
      },
    });
  }

  close(): void {
    this.#subscription.unsubscribe();
  }
}

export function isCopied(world: World, source: number, spec: TableSpec, shard: number): boolean {
  return world.shards[shard]!.data.snapshots.has(`${source}.${spec.oid}`);
}

/** A copy's last batch has no rows: the server's CopyDone. */
function cut(oid: number, rows: CopiedRows["rows"], snapshot: Lsn, size: number): CopiedRows[] {
  const batches: CopiedRows[] = [];
  for (let start = 0; start < rows.length; start += size) batches.push({ sequence: batches.length, bytes: size, oid, rows: rows.slice(start, start + size) });
  batches.push({ sequence: batches.length, bytes: 0, oid, rows: [], resume: snapshot });
  return batches;
}
