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

/** Whom the session that reads is opened with. */
interface OwnReader {
  readonly server: ServerAddress;
  readonly applicationName: string;
  /** Speak the replication protocol, in which slots are made: by default. */
  readonly replication?: boolean;
}

/** A session that is somebody else's. */
interface LentReader {
  readonly open: () => Promise<pg.Client>;
  /** Takes it back once all is read and its transaction has ended. */
  readonly keep: (client: pg.Client) => Promise<void>;
}

export type CopyTableOptions = (OwnReader | LentReader) & {
  readonly table: PublishedTable;
  /** Binary where absent. */
  readonly format?: ValueFormat;
  /** Begins the transaction that the rows are read in; by default `openSnapshot`. */
  readonly openSnapshot?: (client: pg.Client) => Promise<Lsn>;
  /** Called once the snapshot is there, with its position. */
  readonly onSnapshot?: (snapshot: Lsn) => void;
  readonly windowBytes?: number;
};

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
  const { open, keep } = "open" in options ? options : ownReader(options);
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
        client = await open();
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
        await keep(done);
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

function ownReader({ server, applicationName, replication = true }: OwnReader): LentReader {
  return { open: () => connect(server, { applicationName, readOnly: true, replication }), keep: endQuietly };
}
