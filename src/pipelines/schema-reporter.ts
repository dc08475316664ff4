import type { ServerAddress } from "../config/types.js";
import { masked } from "../masked.js";
import { displayObject, type PlannedStatement } from "../schema/schema-plan.js";
import type { StatementEvent } from "../schema/schema-report.js";
import type { Report } from "./events.js";
import { statementOf } from "./schema-progress.js";
import { IndexBuildWatch } from "./index-build-watch.js";
import type { Sessions } from "./sessions.js";

export interface SchemaReporterOptions {
  readonly phase: string;
  readonly shards: readonly ServerAddress[];
  readonly report: Report;
  /** Index builds are watched in sessions of their own. */
  readonly sessions: Pick<Sessions, "destination">;
  /** Milliseconds between two looks at index builds. */
  readonly interval?: number;
}

interface ShardStatements {
  readonly places: Map<PlannedStatement, number>;
  readonly ended: Set<number>;
  readonly watch: IndexBuildWatch;
}

/** Reports the statements of one phase as they are planned, begin and end, and how far index builds are. */
export class SchemaReporter {
  readonly #options: SchemaReporterOptions;
  readonly #shards: readonly ShardStatements[];

  constructor(options: SchemaReporterOptions) {
    this.#options = options;
    const { phase, shards, report, sessions, interval } = options;
    this.#shards = shards.map((address, shard) => ({
      places: new Map(),
      ended: new Set(),
      watch: new IndexBuildWatch({
        session: () => sessions.destination(address, "monitor"),
        onProgress: (index, progress) => { report({ type: "index-progress", phase, shard, index, ...progress }); },
        ...(interval === undefined ? {} : { interval }),
      }),
    }));
  }

  /** What an attempt is about to do on a shard, by its number. */
  planned(shard: number, statements: readonly PlannedStatement[]): void {
    const { places, ended } = this.#shards[shard]!;
    places.clear();
    ended.clear();
    for (const statement of statements) places.set(statement, places.size);
    this.#options.report({ type: "schema-planned", phase: this.#options.phase, shard, statements: statements.map(statementOf) });
  }

  /** Of its own, so that it can be handed over. */
  readonly onStatement = ({ shard: address, statement, state, backend, message }: StatementEvent): void => {
    const shard = this.#options.shards.indexOf(address);
    const { places, ended, watch } = this.#shards[shard]!;
    const index = places.get(statement) ?? places.size;
    places.set(statement, index);
    if (state === "running") {
      if (backend !== undefined) watch.began(backend, index);
    } else {
      watch.ended(index);
      ended.add(index);
    }
    const { kind, object, sql } = statement;
    this.#options.report({
      type: "schema-statement",
      phase: this.#options.phase,
      shard,
      index,
      state: state === "running" || state === "failed" ? state : "done",
      kind,
      ...(object === undefined ? {} : { object: displayObject(object) }),
      sql: masked(sql),
      done: ended.size,
      total: places.size,
      ...(message === undefined ? {} : { message }),
    });
  };

  /** Nothing is reported any more. */
  async close(): Promise<void> {
    await Promise.all(this.#shards.map(({ watch }) => watch.close()));
  }
}
