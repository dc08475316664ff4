import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { ReshardError } from "../errors.js";
import { formatLsn, type Lsn, parseLsn } from "../postgres/lsn.js";
import { Attempts } from "./attempts.js";
import { fileError } from "./file-error.js";
import { checkRegular, syncDirectory } from "./file-system.js";
import type { TextOutput, TextWriter } from "./text-output.js";
import { Turns } from "./turns.js";

/** What a stream has brought into a file: every transaction that committed before `position`, in its first `bytes`. */
interface Kept {
  /** Which stream. */
  readonly of: string;
  readonly position: Lsn;
  readonly bytes: number;
}

/** Beside the file: how much of it is kept. */
export function positionFile(file: string): string {
  return `${file}.position`;
}

/**
 * A file that a stream's changes are appended to. How far it has come is noted beside it, in `FILE.position`, before the
 * source is told: what was written after that by a process that was killed is cut off and comes again, so that every
 * transaction is in the file once and whole. A file that was moved away meanwhile is begun anew behind it.
 */
export class AppendedFile implements TextOutput {
  readonly #file: string;
  readonly #of: string;
  readonly #attempts = new Attempts();

  /** @param of names the stream: a file goes on with the one that it began with */
  constructor(file: string, of: string) {
    this.#file = file;
    this.#of = of;
  }

  async position(): Promise<Lsn> {
    await this.#attempts.close();
    return (await this.#kept())?.position ?? 0n;
  }

  async open(): Promise<TextWriter> {
    return await this.#attempts.open(async () => {
      try {
        return await this.#open();
      } catch (error) {
        throw fileError(this.#file, error);
      }
    });
  }

  async close(): Promise<void> {
    await this.#attempts.close();
  }

  async #open(): Promise<TextWriter> {
    const kept = await this.#kept();
    const size = await checkRegular(this.#file);
    if (kept === undefined && size !== undefined && size > 0) {
      throw new ReshardError("OUTPUT_EXISTS", `${this.#file} is there already, and not of this flow: ${positionFile(this.#file)} is missing.`, { place: { file: this.#file }, remedy: "Move it away, or name another file." });
    }
    const bytes = Math.min(size ?? 0, kept?.bytes ?? 0);
    // Before the file is there: it has to be known for this flow's, whenever the process is killed.
    if (kept === undefined) await writeKept(this.#file, { of: this.#of, position: 0n, bytes });
    const handle = await open(this.#file, "a");
    await handle.truncate(bytes);
    if (size === undefined) await syncDirectory(this.#file);
    return new AppendingWriter(this.#file, handle, { of: this.#of, position: kept?.position ?? 0n, bytes });
  }

  async #kept(): Promise<Kept | undefined> {
    const kept = await readKept(this.#file);
    if (kept === undefined || kept.of === this.#of) return kept;
    throw new ReshardError("OUTPUT_EXISTS", `${this.#file} has the changes of another stream: of ${kept.of}, and not of ${this.#of}.`, { place: { file: this.#file }, remedy: `Name another file; or, if nobody needs it, remove it with ${positionFile(this.#file)}.` });
  }
}

class AppendingWriter implements TextWriter {
  readonly isNew: boolean;
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #turns = new Turns();
  #kept: Kept;
  #bytes: number;

  constructor(file: string, handle: FileHandle, kept: Kept) {
    this.#file = file;
    this.#handle = handle;
    this.#kept = kept;
    this.#bytes = kept.bytes;
    this.isNew = kept.bytes === 0;
  }

  async write(text: Buffer): Promise<void> {
    await this.#do(async () => {
      await this.#handle.appendFile(text);
      this.#bytes += text.length;
    });
  }

  async keep(position: Lsn): Promise<void> {
    // While nothing changes positions pass by the thousand: nothing is lost if they are passed again.
    if (this.#bytes === this.#kept.bytes && this.#kept.position > 0n) return;
    await this.#do(async () => {
      await this.#handle.sync();
      const kept = { ...this.#kept, position, bytes: this.#bytes };
      await writeKept(this.#file, kept);
      this.#kept = kept;
    });
  }

  async close(): Promise<void> {
    await this.#turns.close(async () => {
      // The beginning of a transaction whose end is still to come.
      if (this.#bytes !== this.#kept.bytes) await this.#handle.truncate(this.#kept.bytes).catch(() => undefined);
      await this.#handle.close();
    });
  }

  async #do(work: () => Promise<void>): Promise<void> {
    try {
      await this.#turns.take(work);
    } catch (error) {
      throw fileError(this.#file, error);
    }
  }
}

async function readKept(file: string): Promise<Kept | undefined> {
  let text: string;
  try {
    text = await readFile(positionFile(file), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw fileError(positionFile(file), error);
  }
  const { of, position, bytes } = JSON.parse(text) as { of: string; position: string; bytes: number };
  return { of, position: parseLsn(position), bytes };
}

async function writeKept(file: string, { of, position, bytes }: Kept): Promise<void> {
  const temporary = `${positionFile(file)}.tmp`;
  const handle = await open(temporary, "w");
  try {
    await handle.writeFile(`${JSON.stringify({ of, position: formatLsn(position), bytes })}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, positionFile(file));
  await syncDirectory(file);
}
