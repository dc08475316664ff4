import { pipe, type Subscription } from "rxjs";
import type { StepBatch } from "../../src/apply-step.js";
import { run } from "../../src/flow.js";
import { shardChanges } from "../../src/operators/shard-changes.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import { isRetryable } from "../../src/postgres/server-errors.js";
import type { Whereabouts } from "../../src/sinks/ownership.js";
import type { Row, TableSpec } from "../support/changes.js";
import type { State } from "../support/changes-history.js";
import { keyNames, routeOf } from "../support/changes-tables.js";
import { applySession } from "./shard-session.js";
import { ConnectionLost, type SteppedSink, type Steps } from "./stepped-sink.js";
import { StreamConnection } from "./stream-connection.js";
import { isTaken, ownershipIn } from "./tables.js";
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
  readonly #world: World;
  /** The lives of the source servers that sessions for looking around are connected to. */
  readonly #lives = new Map<number, number>();

  constructor(world: World, source: number, until?: StreamUntil) {
    const { parts, shards, settings } = world;
    this.#world = world;
    this.source = source;
    if (parts.fences) for (const shard of shards) shard.fence();
    if (parts.progressToDisk) for (const shard of shards) shard.flush();
    const server = world.sources[source]!;
    const { windowBytes, batchBytes } = settings;
    this.connection = new StreamConnection(server, parts.pacing({ windowBytes, batchBytes, stopAt: until?.position }));
    this.sessions = shards.map((shard) => {
      const lookUp = (oid: number): State => {
        shard.completedFrom.set(`${source}.${oid}`, until?.position ?? server.position);
        if (!parts.completes) return NOTHING;
        return parts.completesFromPosition && until !== undefined ? until.state : server.visible;
      };
      const isHere = (oid: number, row: Row): boolean => !parts.keepsOnlyItsOwn || world.isAt(oid, row, shard.number);
      return applySession({
        shard, source, commitsOnDisk: parts.commitsOnDisk, transaction: parts.transaction(), completion: { source: lookUp, isHere }, random: world.random, parts,
        ownershipOf: ({ oid }) => ownershipIn(oid, source, world.sources.length),
        *untilSeen(transactions) {
          while (parts.waitsUntilSeen && !transactions.every(({ xid }) => server.sees(xid))) yield;
        },
        look: (spec, keys) => this.#look(spec, keys),
      });
    });
    const sinks = this.sessions.map(({ sink }, index) => {
      const { applied, snapshots } = shards[index]!.data;
      // As it was read at the start: the table of snapshots does not change while the stream runs.
      const read = new Map(snapshots);
      const position = { applied: applied.get(source) ?? 0n, snapshotOf: ({ oid }: { oid: number }): Lsn => read.get(`${source}.${oid}`) ?? 0n };
      return pipe(parts.skipApplied(position), parts.rewriteUpserts(keyNames), sink);
    });
    world.note(() => `stream from ${server.confirmed}${until === undefined ? "" : ` up to ${until.position}`}; applied ${shards.map(({ data }) => data.applied.get(source) ?? 0n).join(" ")}`);
    const flow$ = run(this.connection.source, shardChanges(({ oid }) => (isTaken(oid, source) || !parts.takesOnce ? routeOf(oid, shards.length) : undefined)), parts.toShards(parts.changesOfShard, sinks));
    this.#subscription = flow$.subscribe({
      complete: () => { this.state = "ended"; },
      error: (error: unknown) => {
        this.state = "failed";
        this.error = isRetryable(error) ? undefined : error;
        if (isRetryable(error)) world.note(() => `stream ${source} fails: ${(error as Error).message}`);
      },
    });
  }

  /** Asks the source shards, each at a moment of its own. */
  *#look(spec: TableSpec, keys: readonly string[]): Steps<readonly Whereabouts[]> {
    const found = new Map<number, boolean[]>();
    let left = [...this.#world.sources];
    while (left.length > 0) {
      yield;
      const server = this.#world.random.pick(left);
      left = left.filter((other) => other !== server);
      if ((this.#lives.get(server.number) ?? server.life) !== server.life) throw new ConnectionLost(`the connection to source ${server.number}`);
      this.#lives.set(server.number, server.life);
      found.set(server.number, keys.map((key) => server.visible.get(spec.oid)!.has(key)));
    }
    const whereabouts = keys.map((_, index) => ({
      here: found.get(this.source)![index]!,
      elsewhere: [...found].some(([source, there]) => source !== this.source && there[index]!),
    }));
    this.#world.note(() => `source ${this.source} looks for ${spec.name} ${keys.map((key, index) => `${key}:${whereabouts[index]!.here ? " here" : ""}${whereabouts[index]!.elsewhere ? " elsewhere" : ""}`).join(", ")}`);
    return whereabouts;
  }

  close(): void {
    this.#subscription.unsubscribe();
  }
}

const NOTHING: State = new Map();
