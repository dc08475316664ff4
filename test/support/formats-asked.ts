import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import type { Cluster } from "../../src/embedded/cluster.js";

/** Settings of a server whose log tells how rows and changes were asked for. */
export const LOGS_STATEMENTS = { logging_collector: "on", log_replication_commands: "on", log_statement: "all", log_line_prefix: "%d ", log_min_messages: "log", log_parameter_max_length: "0" };

/** `table: format` of the COPYs and the `binary` option of the streams that a database was asked for. */
export async function formatsAsked(cluster: Cluster, database: string): Promise<{ copies: string[]; streams: string[] }> {
  const directory = path.join(cluster.directory, "data", "log");
  const logs = await Promise.all((await readdir(directory)).map((file) => readFile(path.join(directory, file), "utf8")));
  const own = logs.join("\n").split("\n").filter((line) => line.startsWith(`${database} `));
  const found = (pattern: RegExp): string[] => [...new Set(own.flatMap((line) => [...line.matchAll(pattern)].map((match) => match.slice(1).join(": "))))].sort();
  return { copies: found(/COPY "public"\."(\w+)" .*TO STDOUT \(FORMAT (\w+)\)/g), streams: found(/START_REPLICATION .*binary '(\w+)'/g) };
}
