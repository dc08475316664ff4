import { createHash } from "node:crypto";
import { lastValueFrom, pipe, tap, toArray } from "rxjs";
import type pg from "pg";
import type { ChangeBatch } from "../../src/change-batch.js";
import type { ServerAddress } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { type Receipt, run, type Sink } from "../../src/flow.js";
import { rewriteUpserts } from "../../src/operators/rewrite-upserts.js";
import { rowsOfShard } from "../../src/operators/rows-of-shard.js";
import { changesOfShard, shardChanges } from "../../src/operators/shard-changes.js";
import { skipApplied } from "../../src/operators/skip-applied.js";
import { Sessions } from "../../src/pipelines/sessions.js";
import { type PublishedTable, readPublication } from "../../src/postgres/catalog.js";
import { tableId, type TableName } from "../../src/postgres/identifiers.js";
import { type Lsn, parseLsn } from "../../src/postgres/lsn.js";
import { createProgressTables } from "../../src/progress/progress-tables.js";
import { readStreamProgress } from "../../src/progress/stream-progress.js";
import type { TableRoute } from "../../src/sharding/table-route.js";
import { applyToShard } from "../../src/sinks/apply-to-shard.js";
import { toShards } from "../../src/sinks/to-shards.js";
import { changeStream, type ChangeStreamOptions } from "../../src/sources/change-stream.js";
import { completeRows } from "../../src/sources/source-rows.js";

let databases = 0;

export interface LiveOptions {
  /** On the source, and on the shards where there is no `shardSchema`. */
  readonly schema: string;
  readonly shardSchema?: string;
  readonly shards?: number;
  /** What follows CREATE PUBLICATION p. */
  readonly published?: string;
  readonly route?: (table: TableName) => TableRoute;
}

/** A source with a slot and some shards, each a database of one server. */
export class LiveShards {
  readonly progress = { migration: "test", sourceShard: 0 };
  readonly source: pg.Client;
  readonly shards: readonly pg.Client[];
  readonly slot: string;
  readonly sessions: Sessions;
  readonly #cluster: Cluster;
  readonly #names: readonly string[];
  readonly #options: LiveOptions;

  constructor(parts: { cluster: Cluster; names: readonly string[]; clients: readonly pg.Client[]; slot: string; options: LiveOptions }) {
    this.#cluster = parts.cluster;
    this.#names = parts.names;
    this.#options = parts.options;
    this.source = parts.clients[0]!;
    this.shards = parts.clients.slice(1);
    this.slot = parts.slot;
    this.sessions = new Sessions(parts.slot);
  }

  /** The source is number -1. */
  address(shard: number): ServerAddress {
    const { host, port, user, password } = this.#cluster;
    return { host, port, user, password, database: this.#names[shard + 1]!, sslmode: "disable" };
  }

  async tables(): Promise<Map<string, PublishedTable>> {
    return new Map((await readPublication(this.source, "p")).tables.map((table) => [tableId(table), table]));
  }

  /** A position behind everything committed so far; the server soon tells that it has sent all before it. */
  async position(): Promise<Lsn> {
    const { rows } = await this.source.query<{ lsn: string }>("SELECT pg_current_wal_insert_lsn() AS lsn");
    await this.source.query("SELECT pg_logical_emit_message(true, 'test', 'move on')");
    return parseLsn(rows[0]!.lsn);
  }

  async confirmed(): Promise<Lsn> {
    const { rows } = await this.source.query<{ lsn: string }>("SELECT confirmed_flush_lsn AS lsn FROM pg_replication_slots WHERE slot_name = $1", [this.slot]);
    return parseLsn(rows[0]!.lsn);
  }

  stream(options: Partial<ChangeStreamOptions> = {}): ReturnType<typeof changeStream> {
    return changeStream({ server: this.address(-1), applicationName: `test ${this.slot}`, slot: this.slot, publication: "p", serverVersion: 180000, ...options });
  }

  /** The changes as `applyToShard` gets them, and that sink. */
  async sink(shard: number, lookup: pg.Client): Promise<Sink<ReturnType<typeof changesOfShard>, Lsn>> {
    const tables = await this.tables();
    const keyOf = (relation: TableName): readonly string[] => tables.get(tableId(relation))!.key;
    const isText = (relation: TableName) => (name: string): boolean => tables.get(tableId(relation))!.columns.some((column) => column.name === name && !column.sendsBinary);
    const applied = await readStreamProgress(this.shards[shard]!, this.progress);
    return pipe(
      skipApplied({ applied, snapshotOf: () => 0n }),
      rewriteUpserts(keyOf),
      applyToShard({
        open: () => this.sessions.writer(this.address(shard), "apply 0", { pipeline: true }),
        progress: this.progress,
        keyOf,
        completeFromSource: async (rows, places) => {
          const completed = await completeRows(lookup, rows, places, { key: keyOf(rows.relation), partitioned: false, isText: isText(rows.relation) });
          return rowsOfShard(completed, this.#route(rows.relation), shard);
        },
      }),
    );
  }

  /** Brings everything that is committed now to the shards; what the source sent, and the receipts. */
  async sync(options: Partial<ChangeStreamOptions> = {}): Promise<{ batches: ChangeBatch[]; receipts: Receipt<Lsn>[] }> {
    const stopAt = await this.position();
    const lookup = await this.sessions.source(this.address(-1), "lookup");
    const batches: ChangeBatch[] = [];
    try {
      const sinks = await Promise.all(this.shards.map((_, shard) => this.sink(shard, lookup)));
      const receipts = await lastValueFrom(
        run(this.stream({ stopAt, ...options }), pipe(tap((batch: ChangeBatch) => batches.push(batch)), shardChanges((relation) => this.#route(relation))), toShards(changesOfShard, sinks)).pipe(toArray()),
      );
      return { batches, receipts };
    } finally {
      await lookup.end();
    }
  }

  #route(table: TableName): TableRoute {
    return this.#options.route?.(table) ?? { kind: "omnisharded" };
  }

  /** A table's rows as text, the columns by name; on the source (-1) or a shard. */
  async rows(shard: number, table: string, order = "1"): Promise<string[]> {
    const client = shard < 0 ? this.source : this.shards[shard]!;
    const { rows: columns } = await client.query<{ list: string }>(
      "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) AS list FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped", [table],
    );
    const { rows } = await client.query<{ row: string }>(`SELECT ROW(${columns[0]!.list})::text AS row FROM ${table} ORDER BY ${order}`);
    // Long values as their digests: a failed comparison can be read.
    return rows.map(({ row }) => row.replaceAll(/[0-9a-z]{200,}/g, (long) => `#${createHash("sha1").update(long).digest("hex").slice(0, 8)}`));
  }

  async end(): Promise<void> {
    // Where a stream has failed, its server process may not have noticed yet.
    await this.source.query("SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots WHERE slot_name = $1 AND active", [this.slot]);
    await this.source.query("SELECT pg_drop_replication_slot($1)", [this.slot]);
    await Promise.all([this.source, ...this.shards].map((client) => client.end()));
  }
}

export async function withLiveShards(cluster: Cluster, options: LiveOptions, body: (live: LiveShards) => Promise<void>): Promise<void> {
  const names = Array.from({ length: 1 + (options.shards ?? 1) }, (_, index) => `live_${++databases}_${index === 0 ? "source" : index - 1}`);
  const clients: pg.Client[] = [];
  for (const [index, name] of names.entries()) {
    await cluster.createDatabase(name);
    const client = await cluster.connect(name);
    clients.push(client);
    // Types made before have other OIDs than on the source, as on any other server.
    if (index > 0) await createProgressTables(client);
    await client.query(index === 0 ? options.schema : (options.shardSchema ?? options.schema));
  }
  const slot = `slot_${names[0]!}`;
  await clients[0]!.query(`CREATE PUBLICATION p ${options.published ?? "FOR ALL TABLES"}`);
  await clients[0]!.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
  const live = new LiveShards({ cluster, names, clients, slot, options });
  try {
    await body(live);
  } finally {
    await live.end();
  }
}
