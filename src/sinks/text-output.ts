import type { Lsn } from "../postgres/lsn.js";

/** Where written rows or changes go: a file, or a stream. */
export interface TextOutput {
  /** Everything that committed before it is in the output for good; 0 where nothing is known. */
  position(): Promise<Lsn>;
  /** Begins to write, behind what was kept. What a writer before has not kept is gone, where it can be taken back. */
  open(): Promise<TextWriter>;
  /** Ends the last attempt, whatever it was at. */
  close(): Promise<void>;
}

/** One attempt at writing. */
export interface TextWriter {
  /** Nothing is in the output yet. */
  readonly isNew: boolean;
  write(text: Buffer): Promise<void>;
  /** Returns once all that was written will be there after a crash, and `position` with it. */
  keep(position: Lsn): Promise<void>;
  /** Ends the attempt; nothing is written after it returns. */
  close(): Promise<void>;
}
