import { accessSync, constants } from "node:fs";
import path from "node:path";

/** psql, where this machine has it. */
export const psqlPath: string | undefined = onPath("psql");
export const pgbenchPath: string | undefined = onPath("pgbench");

function onPath(name: string): string | undefined {
  return (process.env["PATH"] ?? "").split(path.delimiter).map((directory) => path.join(directory, name)).find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
