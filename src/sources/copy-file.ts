import { type FileHandle, open } from "node:fs/promises";
import { Observable } from "rxjs";
import type { Source } from "../flow.js";
import { InFlightWindow } from "../in-flight-window.js";
import type { Lsn } from "../postgres/lsn.js";
import type { CopyBatch } from "../row-batch.js";

export interface CopyFileOptions {
  readonly file: string;
  readonly windowBytes?: number;
}

const BATCH_BYTES = 256 * 1024;
/** The rows of a file are of no position in anybody's WAL. */
const NO_POSITION: Lsn = 0n;

/**
 * Reads a file that COPY has written, in pieces that are cut anywhere; `decodeTuples` finds the rows. The last batch
 * carries `resume`.
 *
 * ```
 * source  [256 KiB][256 KiB] … [rest, resume]|
 * ```
 */
export function copyFile({ file, windowBytes }: CopyFileOptions): Source<CopyBatch, Lsn> {
  return (receipts$) =>
    new Observable<CopyBatch>((subscriber) => {
      const window = new InFlightWindow(windowBytes);
      let sequence = 0;
      let wake = (): void => undefined;
      const receipts = receipts$.subscribe((receipt) => {
        window.release(receipt.taken);
        if (!window.full) wake();
      });
      const emit = (buffer: Buffer, isLast: boolean): void => {
        const pieces = buffer.length === 0 ? 0 : 1;
        const batch: CopyBatch = { sequence: sequence++, bytes: buffer.length, ...(isLast ? { resume: NO_POSITION } : {}), buffer, count: pieces, starts: new Uint32Array(pieces), ends: new Uint32Array(pieces).fill(buffer.length) };
        window.add(batch);
        subscriber.next(batch);
      };
      const isOver = (): boolean => subscriber.closed;
      const read = async (handle: FileHandle): Promise<void> => {
        while (!isOver()) {
          const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafeSlow(BATCH_BYTES), 0, BATCH_BYTES, null);
          if (isOver()) return;
          emit(buffer.subarray(0, bytesRead), bytesRead === 0);
          if (bytesRead === 0) {
            subscriber.complete();
            return;
          }
          if (window.full) await new Promise<void>((resolve) => { wake = resolve; });
        }
      };
      const all = async (): Promise<void> => {
        const handle = await open(file, "r");
        try {
          await read(handle);
        } finally {
          await handle.close();
        }
      };
      all().catch((error: unknown) => { subscriber.error(error); });
      return () => {
        receipts.unsubscribe();
        wake();
      };
    });
}
