import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Version of the psql on the path, undefined where there is none. */
export async function psqlVersion(): Promise<string | undefined> {
  return await run("psql", ["--version"]).then(({ stdout }) => stdout.trim(), () => undefined);
}

export interface CopyPipe {
  /** libpq connection strings. */
  readonly from: string;
  readonly to: string;
  readonly table: string;
}

/** `psql COPY TO STDOUT | psql COPY FROM STDIN`, in binary; how many rows arrived. */
export async function copyByPsql({ from, to, table }: CopyPipe): Promise<number> {
  const script = 'psql -X -v ON_ERROR_STOP=1 -d "$1" -c "$2" | psql -X -v ON_ERROR_STOP=1 -d "$3" -c "$4"';
  const { stdout } = await run("sh", ["-c", script, "sh", from, `COPY ${table} TO STDOUT (FORMAT binary)`, to, `COPY ${table} FROM STDIN (FORMAT binary)`]);
  const copied = /^COPY (\d+)$/m.exec(stdout);
  if (copied === null) throw new Error(`psql answered: ${stdout}`);
  return Number(copied[1]);
}
