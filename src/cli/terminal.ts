/** Where a command reads and writes; the process's own streams, or a test's. */
export interface Terminal {
  /** Results: what a person or a program asked for. */
  out(text: string): void;
  /** Progress and errors for people. */
  err(text: string): void;
  /** Characters in a line of `err`. */
  readonly columns: number;
  /** Lines that `err` shows at once. */
  readonly rows: number;
  /** Events and results as JSON, one object a line, on `out`. */
  readonly json: boolean;
  /** Draw over the last lines of `err`. */
  readonly live: boolean;
  /** Colors on `out` and on `err`. */
  readonly colors: { readonly out: boolean; readonly err: boolean };
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export const STANDARD_COLUMNS = 80;
const STANDARD_ROWS = 24;

/** The terminal of this process. */
export function processTerminal(json: boolean): Terminal {
  const { stdout, stderr, env } = process;
  // Whoever reads our output may leave before we are done; the work goes on.
  for (const stream of [stdout, stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
  const capable = env["TERM"] !== "dumb";
  const colorful = capable && (env["NO_COLOR"] ?? "") === "";
  return {
    out: (text) => { stdout.write(text); },
    err: (text) => { stderr.write(text); },
    get columns() {
      return stderr.isTTY && stderr.columns > 0 ? stderr.columns : STANDARD_COLUMNS;
    },
    get rows() {
      return stderr.isTTY && stderr.rows > 0 ? stderr.rows : STANDARD_ROWS;
    },
    json,
    // JSON and moving bars on one screen would be neither.
    live: stderr.isTTY && capable && !(json && stdout.isTTY),
    colors: { out: stdout.isTTY && colorful, err: stderr.isTTY && colorful },
    environment: env,
  };
}
