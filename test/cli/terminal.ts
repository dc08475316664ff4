import type { Terminal } from "../../src/cli/terminal.js";

export interface RecordedTerminal extends Terminal {
  /** What went to standard output and to standard error so far. */
  readonly written: { out: string; err: string };
  /** The lines of standard output as JSON. */
  objects(): Record<string, unknown>[];
}

/** A terminal that remembers; by default one that is none: no bars, no colors, 80 columns. */
export function recordedTerminal(options: Partial<Omit<Terminal, "out" | "err">> = {}): RecordedTerminal {
  const written = { out: "", err: "" };
  return {
    columns: 80,
    rows: 24,
    json: false,
    live: false,
    colors: { out: false, err: false },
    environment: {},
    ...options,
    written,
    out: (text) => { written.out += text; },
    err: (text) => { written.err += text; },
    objects: () => written.out.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}
