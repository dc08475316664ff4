import { spawn } from "node:child_process";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { displayAddress } from "../postgres/connection.js";
import { dumpArguments } from "./dump-arguments.js";

/** Runs an installed pg_dump. The password goes by the environment: arguments can be read by every user of the machine. */
export async function nativeDump(program: string, server: ServerAddress): Promise<string> {
  const child = spawn(program, [...dumpArguments, "--no-password"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      PGHOST: server.host,
      PGPORT: String(server.port),
      // Not by --dbname, which would read a name with "=" as a connection string.
      PGDATABASE: server.database,
      PGUSER: server.user,
      PGSSLMODE: server.sslmode,
      PGAPPNAME: "pg-reshard pg_dump",
      PGOPTIONS: "-c default_transaction_read_only=on",
      ...(server.password === undefined ? {} : { PGPASSWORD: server.password }),
    },
  });
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once("error", (cause) => {
      reject(new ReshardError("PG_DUMP_MISSING", `Cannot run ${program}: ${cause.message}.`, {
        remedy: "Correct pg_dump_path in [replication], or leave it out to use the bundled pg_dump.",
        cause,
      }));
    });
    child.once("close", resolve);
  });
  if (exitCode !== 0) throw dumpFailed(program, server, Buffer.concat(errors).toString("utf8"));
  return Buffer.concat(output).toString("utf8");
}

/** PG_DUMP_FAILED with pg_dump's own words. */
export function dumpFailed(program: string, server: ServerAddress, words: string, cause?: unknown): ReshardError {
  return new ReshardError("PG_DUMP_FAILED", `${program} could not dump ${displayAddress(server)}: ${words.trim()}`, {
    remedy: /version mismatch/.test(words)
      ? "Point pg_dump_path in [replication] at a pg_dump that is at least as new as the server."
      : "The user needs to be able to read every table's definition (USAGE on the schemas, SELECT on the tables).",
    place: { server: displayAddress(server) },
    ...(cause === undefined ? {} : { cause }),
  });
}
