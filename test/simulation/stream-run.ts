import { pipe, type Subscription } from "rxjs";
import type { StepBatch } from "../../src/apply-step.js";
import { run } from "../../src/flow.js";
import { shardChanges } from "../../src/operators/shard-changes.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import type { State } from "../support/changes-history.js";
import { keyNames, routeOf } from "../support/changes-tables.js";
import { applySession } from "./shard-session.js";
import { ConnectionLost, type SteppedSink } from "./stepped-sink.js";
import { StreamConnection } from "./stream-connection.js";
import type { World } from "./world.js";

/** Exactly what committed before the position; unchanged values are read from the state there. */
export interface StreamUntil {
  readonly position: Lsn;
  readonly state: State;
}

/** One connection's worth of streaming from a source shard, put together as `streamOnce` does it. */
export class StreamRun {
  readonly source: number;
  readonly connection: StreamConnection;
  readonly sessions: readonly SteppedSink<StepBatch>[];
  state: "running" | "failed" | "ended" = "running";
  error: unknown;
  readonly #subscription: Subscription;

  constructor(world: World, source: number, until?: StreamUntil) {
    const { parts, shards, settings } = world;
    this.source = source;
    if (parts.fences) for (const shard of shards) shard.fence();
    if (parts.progressToDisk) for (const shard of shards) shard.flush();
    const server = world.sources[source]!;
    const { windowBytes, batchBytes } = settings;
    this.connection = new StreamConnection(server, parts.pacing({ windowBytes, batchBytes, stopAt: until?.position }));
    this.sessions = shards.map((shard) => {
      const lookup = (oid: number): State => {
        shard.completedFrom.set(`${source}.${oid}`, until?.position ?? server.position);
        if (!parts.completes) return NOTHING;
        return parts.completesFromPosition && until !== undefined ? until.state : server.tables;
      };
      return applySession({ shard, source, commitsOnDisk: parts.commitsOnDisk, transaction: parts.transaction(), lookup, random: world.random });
    });
    const sinks = this.sessions.map(({ sink }, index) => {
      const { applied, snapshots } = shards[index]!.data;
      // As it was read at the start: the table of snapshots does not change while the stream runs.
      const read = new Map(snapshots);
      const position = { applied: applied.get(source) ?? 0n, snapshotOf: ({ oid }: { oid: number }): Lsn => read.get(`${source}.${oid}`) ?? 0n };
      return pipe(parts.skipApplied(position), parts.rewriteUpserts(keyNames), sink);
    });
    world.note(() => `stream from ${server.confirmed}${until === undefined ? "" : ` up to ${until.position}`}; applied ${shards.map(({ data }) => data.applied.get(source) ?? 0n).join(" ")}`);
    const flow$ = run(this.connection.source, shardChanges(({ oid }) => routeOf(oid, shards.length)), parts.toShards(parts.changesOfShard, sinks));
    this.#subscription = flow$.subscribe({
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

const NOTHING: State = new Map();
