import { execFile } from "node:child_process";
import { access, constants, stat } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What was asked already, by program and when that was last changed. */
const majors = new Map<string, number>();

/** The first `pg_dump` on PATH whose major version is at least `major`; pg_dump refuses servers newer than itself. */
export async function pgDumpOnPath(major: number, searchPath = process.env["PATH"] ?? ""): Promise<string | undefined> {
  const name = process.platform === "win32" ? "pg_dump.exe" : "pg_dump";
  for (const directory of searchPath.split(path.delimiter)) {
    if (directory === "") continue;
    const program = path.join(directory, name);
    if ((await majorOf(program)) >= major) return program;
  }
  return undefined;
}

/** The major version of a pg_dump; -1 where there is none that runs. */
async function majorOf(program: string): Promise<number> {
  try {
    await access(program, constants.X_OK);
    const key = `${program} ${(await stat(program)).mtimeMs}`;
    const known = majors.get(key);
    if (known !== undefined) return known;
    const { stdout } = await run(program, ["--version"]);
    const major = Number(/\(PostgreSQL\) (\d+)/.exec(stdout)?.[1] ?? -1);
    majors.set(key, major);
    return major;
  } catch {
    return -1;
  }
}
