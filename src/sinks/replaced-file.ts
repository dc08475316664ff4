import { type FileHandle, open, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import type { Lsn } from "../postgres/lsn.js";
import { Attempts } from "./attempts.js";
import { fileError } from "./file-error.js";
import { checkRegular, syncDirectory } from "./file-system.js";
import type { TextOutput, TextWriter } from "./text-output.js";
import { Turns } from "./turns.js";

/**
 * A file that is there whole or not at all: it is written beside its place and put there, over the one of before, when all
 * of it is on disk.
 */
export class ReplacedFile implements TextOutput {
  readonly #file: string;
  readonly #attempts = new Attempts();

  constructor(file: string) {
    this.#file = file;
  }

  position(): Promise<Lsn> {
    return Promise.resolve(0n);
  }

  async open(): Promise<TextWriter> {
    return await this.#attempts.open(async () => {
      try {
        await checkRegular(this.#file);
        await removeLeftOvers(this.#file);
        const temporary = temporaryName(this.#file, process.pid);
        return new ReplacingWriter(this.#file, temporary, await open(temporary, "w"));
      } catch (error) {
        throw fileError(this.#file, error);
      }
    });
  }

  async close(): Promise<void> {
    await this.#attempts.close();
  }
}

class ReplacingWriter implements TextWriter {
  readonly isNew = true;
  readonly #file: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;
  readonly #turns = new Turns();
  #isKept = false;

  constructor(file: string, temporary: string, handle: FileHandle) {
    this.#file = file;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  async write(text: Buffer): Promise<void> {
    await this.#do(() => this.#handle.writeFile(text));
  }

  /** Called once, with the last of the rows. */
  async keep(): Promise<void> {
    await this.#do(async () => {
      await this.#handle.sync();
      await rename(this.#temporary, this.#file);
      this.#isKept = true;
      await syncDirectory(this.#file);
    });
  }

  async close(): Promise<void> {
    await this.#turns.close(async () => {
      await this.#handle.close();
      if (!this.#isKept) await rm(this.#temporary, { force: true });
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

function temporaryName(file: string, pid: number): string {
  return path.join(path.dirname(file), `.${path.basename(file)}.${pid}.tmp`);
}

/** What processes left that were killed. */
async function removeLeftOvers(file: string): Promise<void> {
  const names = await readdir(path.dirname(file));
  for (const name of names) {
    if (!name.startsWith(`.${path.basename(file)}.`)) continue;
    const pid = /^(?<pid>\d+)\.tmp$/.exec(name.slice(path.basename(file).length + 2))?.groups?.["pid"];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(path.join(path.dirname(file), name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}
