import { masked } from "../masked.js";
import type { PipelineEvent, SchemaStatement } from "./events.js";

/** One statement on one shard. Times are milliseconds of the clock that the events were given with. */
export interface SchemaRow extends SchemaStatement {
  readonly phase: string;
  readonly shard: number;
  readonly state: "waiting" | "running" | "done" | "failed";
  readonly startedAt?: number;
  readonly endedAt?: number;
  /** Of an index build under way: the server's words for its step, and the share done of that step, 0 to 1. */
  readonly doing?: string;
  readonly share?: number;
  /** The server's message, where it failed. */
  readonly message?: string;
}

/** Every statement of the schema on every shard and what became of it, out of a run's events. */
export class SchemaProgress {
  /** By phase, in the order in which they began; then by shard and place. */
  readonly #phases = new Map<string, SchemaRow[][]>();

  apply(event: PipelineEvent, now: number): void {
    switch (event.type) {
      case "schema-planned": {
        const { phase, shard, statements } = event;
        this.#shardsOf(phase)[shard] = statements.map((statement) => ({ ...statement, phase, shard, state: "waiting" }));
        break;
      }
      case "schema-statement": {
        const { phase, shard, index, state, message } = event;
        const rows = this.#rowsOf(phase, shard);
        const known: SchemaRow | undefined = rows[index];
        rows[index] = {
          ...statementOf(known ?? { kind: event.kind, sql: event.sql }),
          phase,
          shard,
          state,
          startedAt: state === "running" ? now : (known?.startedAt ?? now),
          ...(state === "running" ? {} : { endedAt: now }),
          ...(message === undefined ? {} : { message }),
        };
        break;
      }
      case "index-progress": {
        const rows = this.#rowsOf(event.phase, event.shard);
        const row = rows[event.index];
        if (row?.state !== "running") break;
        const { phase, shard, state, startedAt = now } = row;
        rows[event.index] = { ...statementOf(row), phase, shard, state, startedAt, doing: event.doing, ...(event.share === undefined ? {} : { share: event.share }) };
        break;
      }
    }
  }

  /** All statements: phases as they began, then by shard, in the order in which they are planned. */
  rows(): readonly SchemaRow[] {
    return [...this.#phases.values()].flatMap((shards) => shards.flat());
  }

  /** Statements that run just now, by shard, those that began first at the top. */
  underWay(): readonly SchemaRow[] {
    return this.rows().filter(({ state }) => state === "running").sort((a, b) => a.shard - b.shard || a.startedAt! - b.startedAt!);
  }

  /** One of them; undefined where nothing is known of it. */
  row(phase: string, shard: number, index: number): SchemaRow | undefined {
    return this.#phases.get(phase)?.[shard]?.[index];
  }

  #shardsOf(phase: string): SchemaRow[][] {
    const shards = this.#phases.get(phase) ?? [];
    this.#phases.set(phase, shards);
    return shards;
  }

  #rowsOf(phase: string, shard: number): SchemaRow[] {
    return (this.#shardsOf(phase)[shard] ??= []);
  }
}

/** Of a statement, what is shown: a function may hold the password of another server. */
export function statementOf({ kind, object, table, sql }: SchemaStatement): SchemaStatement {
  return { kind, ...(object === undefined ? {} : { object }), ...(table === undefined ? {} : { table }), sql: masked(sql) };
}

/** Milliseconds that a statement has run, or did; undefined while it waits. */
export function elapsed({ startedAt, endedAt }: SchemaRow, now: number): number | undefined {
  return startedAt === undefined ? undefined : (endedAt ?? now) - startedAt;
}
