import { Observable } from "rxjs";
import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import type { Source } from "../flow.js";
import { InFlightWindow } from "../in-flight-window.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { connect, endQuietly } from "../postgres/connection.js";
import { CopyDataReader } from "../postgres/copy-data-reader.js";
import { qualifiedName, quoteIdentifier } from "../postgres/identifiers.js";
import type { Lsn } from "../postgres/lsn.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { CopyBatch } from "../row-batch.js";
import { openSnapshot } from "./open-snapshot.js";

export interface CopyTableOptions {
  readonly server: ServerAddress;
  readonly applicationName: string;
  readonly table: PublishedTable;
  /** Binary where absent. */
  readonly format?: ValueFormat;
  /** Begins the transaction that the rows are read in; by default `openSnapshot`. */
  readonly openSnapshot?: (client: pg.Client) => Promise<Lsn>;
  /** Speak the replication protocol, in which slots are made: by default. */
  readonly replication?: boolean;
  /** Gives the session that reads; by default one is opened with the above. */
  readonly open?: () => Promise<pg.Client>;
  /** Takes the session once all is read and its transaction has ended; by default it is ended. */
  readonly keep?: (client: pg.Client) => Promise<void>;
  /** Called once the snapshot is there, with its position. */
  readonly onSnapshot?: (snapshot: Lsn) => void;
  readonly windowBytes?: number;
}

const BATCH_BYTES = 256 * 1024;

/** The statement that reads one table: a query where plain COPY cannot (row filters, partition roots). */
export function copyOutStatement(table: PublishedTable, format: ValueFormat = "binary"): string {
  const columns = table.columns.map((column) => quoteIdentifier(column.name)).join(", ");
  const filter = table.rowFilter === undefined ? "" : ` WHERE ${table.rowFilter}`;
  const what =
    table.partitioned || table.rowFilter !== undefined
      ? `(SELECT ${columns} FROM ${table.partitioned ? "" : "ONLY "}${qualifiedName(table)}${filter})`
      : `${qualifiedName(table)} (${columns})`;
  return `COPY ${what} TO STDOUT (FORMAT ${format})`;
}

/**
 * Reads one table in the snapshot of a temporary replication slot, made for it. The last batch carries `resume`, the
 * snapshot's position: changes of transactions that committed at or after it are not in these rows.
 *
 * ```
 * source  [256 KiB][256 KiB] … [rest, resume = snapshot]|
 * ```
 */
export function copyTable(options: CopyTableOptions): Source<CopyBatch, Lsn> {
  return (receipts$) =>
    new Observable<CopyBatch>((subscriber) => {
      const window = new InFlightWindow(options.windowBytes);
      let client: pg.Client | undefined;
      let reader: CopyDataReader | undefined;
      let sequence = 0;
      const emit = (resume?: Lsn): void => {
        const frames = reader!.take();
        const batch: CopyBatch = { ...frames, sequence: sequence++, bytes: frames.buffer.length, ...(resume === undefined ? {} : { resume }) };
        window.add(batch);
        if (window.full) reader!.pause();
        subscriber.next(batch);
      };
      const receipts = receipts$.subscribe((receipt) => {
        window.release(receipt.taken);
        if (!window.full) reader?.resume();
      });
      const read = async (): Promise<void> => {
        client = await (options.open?.() ?? connect(options.server, { applicationName: options.applicationName, readOnly: true, replication: options.replication ?? true }));
        if (subscriber.closed) {
          await endQuietly(client);
          return;
        }
        const snapshot = await (options.openSnapshot ?? openSnapshot)(client);
        options.onSnapshot?.(snapshot);
        reader = new CopyDataReader(client, copyOutStatement(options.table, options.format), () => {
          if (reader!.bytes >= BATCH_BYTES) emit();
        });
        await reader.done;
        emit(snapshot);
        await client.query("COMMIT");
        const done = client;
        client = undefined;
        await (options.keep ?? endQuietly)(done);
        subscriber.complete();
      };
      read().catch((error: unknown) => {
        subscriber.error(error);
      });
      return () => {
        receipts.unsubscribe();
        void endQuietly(client);
      };
    });
}
