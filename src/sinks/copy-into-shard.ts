import type pg from "pg";
import { type CopyStreamQuery, from as copyFrom } from "pg-copy-streams";
import { concatMap, defer, finalize } from "rxjs";
import { ReshardError, defect } from "../errors.js";
import type { Receipt, Sink } from "../flow.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { endQuietly } from "../postgres/connection.js";
import { copyHeader, copyTrailer } from "../postgres/copy-format.js";
import { displayName, qualifiedName, quoteIdentifier, type TableName } from "../postgres/identifiers.js";
import type { Lsn } from "../postgres/lsn.js";
import type { ValueFormat } from "../postgres/value-format.js";
import { type ProgressKey, writeTableProgress } from "../progress/table-progress.js";
import type { RowPart } from "../row-batch.js";

/** What is told of the shard's table. */
export type CopiedTable = Pick<PublishedTable, "schema" | "name" | "partitioned"> & { readonly columns: readonly Pick<PublishedTable["columns"][number], "name">[] };

export interface CopyIntoShardOptions {
  readonly open: () => Promise<pg.Client>;
  /** Takes the session once all is committed; by default it is ended. */
  readonly keep?: (client: pg.Client) => void;
  readonly table: CopiedTable;
  /** Under whose name progress is noted, where that is not the shard's table. */
  readonly source?: TableName;
  /** What the rows are in; binary where absent. */
  readonly format?: ValueFormat;
  readonly progress: ProgressKey;
  /** True where this source shard's rows are the only ones the table will hold: then they may be written frozen. */
  readonly exclusive: boolean;
}

/**
 * Writes one table's rows into one shard, in one transaction with their progress. Every batch is answered as taken; the
 * one with `resume` ends the copy and is answered as durable after COMMIT.
 */
export function copyIntoShard(options: CopyIntoShardOptions): Sink<RowPart, Lsn> {
  return (parts$) =>
    defer(() => {
      const copy = new ShardCopy(options);
      return parts$.pipe(
        concatMap((part) => copy.write(part)),
        finalize(() => { void copy.close(); }),
      );
    });
}

class ShardCopy {
  readonly #options: CopyIntoShardOptions;
  readonly #format: ValueFormat;
  #client: pg.Client | undefined;
  #stream: CopyStreamQuery | undefined;
  #failed: Promise<never> | undefined;
  #rows = 0;
  #closed = false;

  constructor(options: CopyIntoShardOptions) {
    this.#options = options;
    this.#format = options.format ?? "binary";
  }

  async write(batch: RowPart): Promise<Receipt<Lsn>> {
    if (this.#stream === undefined) await this.#begin();
    this.#rows += batch.rows;
    if (batch.part.length > 0) await this.#send(batch.part);
    if (batch.resume === undefined) return { taken: batch.sequence };
    await this.#commit(batch.resume);
    return { taken: batch.sequence, durable: batch.resume };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await endQuietly(this.#client);
  }

  async #begin(): Promise<void> {
    const { table, exclusive } = this.#options;
    const client = (this.#client = await this.#options.open());
    if (this.#closed) {
      await endQuietly(client);
      throw defect("a copy was written to after its end");
    }
    await client.query("BEGIN");
    const truncated = exclusive && (await emptyForFreeze(client, table));
    const columns = table.columns.map((column) => quoteIdentifier(column.name)).join(", ");
    const freeze = truncated && !table.partitioned ? ", FREEZE" : "";
    const stream = client.query(copyFrom(`COPY ${qualifiedName(table)} (${columns}) FROM STDIN (FORMAT ${this.#format}${freeze})`));
    this.#stream = stream;
    this.#failed = new Promise<never>((_, reject) => {
      stream.once("error", reject);
    });
    this.#failed.catch(() => undefined);
    await this.#send(copyHeader(this.#format));
  }

  async #send(bytes: Buffer): Promise<void> {
    const stream = this.#stream!;
    // The server's error first: a stream that has failed only says that it is gone.
    await Promise.race([this.#failed!, new Promise<void>((resolve) => stream.write(bytes, () => { resolve(); }))]);
  }

  async #commit(snapshot: Lsn): Promise<void> {
    const { table, source = table, progress } = this.#options;
    const stream = this.#stream!;
    await this.#send(copyTrailer(this.#format));
    await Promise.race([this.#failed!, new Promise<void>((resolve) => stream.end(() => { resolve(); }))]);
    if (stream.rowCount !== this.#rows) {
      throw new ReshardError("COPY_ROW_COUNT", `${displayName(table)}: ${this.#rows} rows were sent and ${stream.rowCount} arrived.`, {
        kind: "defect",
        remedy: "Look for a rule or BEFORE INSERT trigger on the destination table that drops rows.",
      });
    }
    const client = this.#client!;
    await writeTableProgress(client, progress, source, { snapshot, rows: this.#rows });
    await client.query("COMMIT");
    // From here on it is not ours to end.
    this.#client = undefined;
    if (this.#options.keep === undefined) await client.end();
    else this.#options.keep(client);
  }
}

/**
 * Truncates a table that is empty already, for only then COPY may freeze its rows; false where foreign keys from
 * elsewhere forbid TRUNCATE. Attempts that fail leave nothing behind, so rows found here are not ours to remove.
 */
async function emptyForFreeze(client: pg.Client, table: CopiedTable): Promise<boolean> {
  const name = qualifiedName(table);
  const only = table.partitioned ? "" : "ONLY ";
  const { rows } = await client.query<{ referenced: boolean; filled: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = $1::regclass AND conrelid <> confrelid) AS referenced,
            EXISTS (SELECT FROM ${only}${name}) AS filled`,
    [name],
  );
  if (rows[0]!.filled) {
    throw new ReshardError("DESTINATION_NOT_EMPTY", `${displayName(table)} has rows on the shard that this migration did not bring.`, {
      remedy: `Look at them; to remove them run on the shard: TRUNCATE ${name};`,
      place: { table: displayName(table) },
    });
  }
  if (rows[0]!.referenced) return false;
  await client.query(`TRUNCATE ${only}${name}`);
  return true;
}
