import { copyFile, readFile } from "node:fs/promises";
import type { Database, PgBouncerSettings, Pipeline, ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { connect, displayAddress, endQuietly } from "../postgres/connection.js";
import { reasonOf } from "../postgres/server-errors.js";
import { interrupted } from "./interrupted.js";
import { consoleName, withConsole } from "./pgbouncer-console.js";
import { type ConnectParameters, databaseLine, formatConnectString, parseConnectString, withDatabaseLines } from "./pgbouncer-lines.js";
import { replaceFile } from "./replace-file.js";
import type { Drain, Side, Traffic } from "./traffic.js";

/**
 * Traffic that goes through a PgBouncer. PAUSE holds it back, and the lines of the `[databases]` section in its file say
 * which side is in charge: also for a PgBouncer that is started anew. Its pool_mode has to be transaction or statement, for
 * with sessions PAUSE waits until the applications have left.
 */
export function pgbouncerTraffic(settings: PgBouncerSettings, { from, to }: Pick<Pipeline, "from" | "to">): Traffic {
  const targets: Readonly<Record<Side, ConnectParameters>> = { source: targetOf(settings, from), destination: targetOf(settings, to) };
  const { databases, file } = settings;

  const resume = async (): Promise<void> => {
    await withConsole(settings, async (client) => {
      await client.query("RELOAD");
      // Of one that is not paused it complains.
      for (const name of databases) await client.query(`RESUME ${consoleName(name)}`).catch((error: unknown) => { if (!/not paused/i.test(reasonOf(error))) throw error; });
    });
  };

  /** The server processes of its pools, on all servers. */
  const servers = async (): Promise<{ pid: number; port: number }[]> =>
    await withConsole(settings, async (client) => {
      const { rows } = await client.query<{ database: string; port: number | string; remote_pid: number | string }>("SHOW SERVERS");
      return rows.filter(({ database }) => databases.includes(database)).map(({ port, remote_pid: pid }) => ({ port: Number(port), pid: Number(pid) }));
    });

  const sideOf = async (): Promise<Side | undefined> => {
    const text = await readLines(file, databases);
    for (const side of ["source", "destination"] as const) {
      if (databases.every((name) => leadsTo(parseConnectString(databaseLine(text, name)!), targets[side]))) return side;
    }
    return undefined;
  };

  return {
    async warnings() {
      // Both say early what would be wrong in the middle of it.
      if ((await sideOf()) !== "source") throw linesDiffer(file, databases, targets.source);
      return await withConsole(settings, async (client) => {
        // What an administrator alone may do; the switch does it too.
        await client.query("RELOAD");
        const { rows } = await client.query<{ name: string; pool_mode: string | null }>("SHOW DATABASES");
        const missing = databases.filter((name) => !rows.some((row) => row.name === name));
        if (missing.length > 0) throw linesDiffer(file, missing, targets.source);
        const { rows: config } = await client.query<{ key: string; value: string }>("SHOW CONFIG");
        const mode = config.find(({ key }) => key === "pool_mode")?.value;
        const sessions = rows.filter((row) => databases.includes(row.name) && (row.pool_mode ?? mode) === "session").map(({ name }) => name);
        return sessions.length === 0 ? [] : [`PgBouncer pools ${sessions.join(", ")} by session: it can only be paused when the applications have left.`];
      });
    },
    async pause({ timeout, action, signal }: Drain) {
      const paused = async (): Promise<boolean> => {
        const over = new AbortController();
        const timer = setTimeout(() => { over.abort(); }, timeout);
        try {
          await Promise.all(databases.map((name) => pauseOne(settings, name, AbortSignal.any([over.signal, signal]))));
          return true;
        } catch (error) {
          if (signal.aborted) throw interrupted();
          if (!over.signal.aborted) throw error;
          return false;
        } finally {
          clearTimeout(timer);
        }
      };
      if (await paused()) return;
      if (action === "cancel") {
        await terminate(from, await servers());
        if (await paused()) return;
      }
      await resume();
      throw new ReshardError("CUTOVER_DRAIN_TIMEOUT", `PgBouncer could not be paused within ${timeout} ms: transactions were still open.`, {
        remedy: 'Look at SHOW SERVERS there for long transactions; then cut over again, with a longer cutover_drain_timeout, or with cutover_drain_action = "cancel", in [general].',
      });
    },
    async switch() {
      const text = await readLines(file, databases);
      await copyFile(file, `${file}.bak`);
      replaceFile(file, withDatabaseLines(text, databases, targets.destination));
      await withConsole(settings, async (client) => {
        await client.query("RELOAD");
        const { rows } = await client.query<{ name: string; host: string | null; port: number | string; database: string }>("SHOW DATABASES");
        const wanted = targets.destination;
        const wrong = rows.filter((row) => databases.includes(row.name) && !leadsTo(new Map([["host", row.host ?? ""], ["port", String(row.port)], ["dbname", row.database]]), pick(wanted, ["host", "port", "dbname"])));
        if (wrong.length > 0) {
          throw new ReshardError("PGBOUNCER_NOT_RELOADED", `PgBouncer leads ${wrong.map(({ name }) => name).join(", ")} to ${wrong.map(({ host, port, database }) => `${host ?? "?"}:${port}/${database}`).join(", ")} after RELOAD.`, { remedy: `See that pgbouncer_file (${file}) is the file that it reads.` });
        }
      });
    },
    inCharge: sideOf,
    resume,
    async processesOn({ port }: ServerAddress) {
      return new Set((await servers()).filter((server) => server.port === port).map(({ pid }) => pid));
    },
  };
}

/** Where a side's applications go: as the configuration says, else to its only shard. */
function targetOf({ targets }: PgBouncerSettings, { name, shards }: Database): ConnectParameters {
  const given = targets[name];
  if (given !== undefined) return parseConnectString(given);
  if (shards.length > 1) {
    throw new ReshardError("PGBOUNCER_TARGET_MISSING", `${name} has ${shards.length} shards, and PgBouncer leads to one server.`, {
      remedy: `Say in [cutover] what in front of the shards it leads to: pgbouncer_targets = { "${name}" = "host=… port=… dbname=…" }.`,
    });
  }
  const { host, port, database } = shards[0]!.primary;
  return new Map([["host", host], ["port", String(port)], ["dbname", database]]);
}

/** The line has all of the target's parameters; it may have more. */
function leadsTo(line: ConnectParameters, target: ConnectParameters): boolean {
  return [...target].every(([key, value]) => line.get(key) === value);
}

function pick(parameters: ConnectParameters, keys: readonly string[]): ConnectParameters {
  return new Map([...parameters].filter(([key]) => keys.includes(key)));
}

async function readLines(file: string, databases: readonly string[]): Promise<string> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new ReshardError("PGBOUNCER_FILE", `${file} cannot be read: ${reasonOf(cause)}.`, { place: { file }, remedy: "Name in [cutover] pgbouncer_file the file that has PgBouncer's [databases] section.", cause });
  });
  const missing = databases.filter((name) => databaseLine(text, name) === undefined);
  if (missing.length > 0) throw new ReshardError("PGBOUNCER_FILE", `${file} has no line for ${missing.join(", ")} in a [databases] section.`, { place: { file }, remedy: "Name the right file as pgbouncer_file, or the right names as pgbouncer_databases, in [cutover]." });
  return text;
}

function linesDiffer(file: string, databases: readonly string[], target: ConnectParameters): ReshardError {
  return new ReshardError("PGBOUNCER_LINES_DIFFER", `PgBouncer does not lead ${databases.join(", ")} to the source: ${formatConnectString(target)}.`, {
    place: { file },
    remedy: `Write the line in ${file} as in [[databases]], or say it in [cutover] pgbouncer_targets; RELOAD; then cut over again.`,
  });
}

/** PAUSE answers when nothing goes on any more. Given up, RESUME in another session lets it answer. */
async function pauseOne(settings: PgBouncerSettings, name: string, signal: AbortSignal): Promise<void> {
  await withConsole(settings, async (client) => {
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => { reject(interrupted()); };
      if (signal.aborted) {
        onAbort();
        return;
      }
      signal.addEventListener("abort", onAbort, { once: true });
      client.query(`PAUSE ${consoleName(name)}`).then(() => { resolve(); }, (error: unknown) => {
        if (/already/i.test(reasonOf(error))) resolve();
        else reject(error instanceof Error ? error : new Error(String(error)));
      }).finally(() => { signal.removeEventListener("abort", onAbort); });
    });
  }, 0);
}

/** Ends server processes with their transactions: of one that is idle within one there is no statement to cancel. */
async function terminate({ shards }: Database, servers: readonly { readonly pid: number; readonly port: number }[]): Promise<void> {
  for (const { primary } of shards) {
    const pids = servers.filter(({ port }) => port === primary.port).map(({ pid }) => pid);
    if (pids.length === 0) continue;
    const client = await connect(primary, { applicationName: "pg-reshard cutover", readOnly: true });
    try {
      await client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY ($1) AND datname = current_database() AND (state <> 'idle')", [pids]);
    } catch (cause) {
      throw new ReshardError("PRIVILEGE_MISSING", `${displayAddress(primary)}: user "${primary.user}" may not end PgBouncer's transactions: ${reasonOf(cause)}.`, { remedy: `GRANT pg_signal_backend TO ${client.escapeIdentifier(primary.user)};`, cause });
    } finally {
      await endQuietly(client);
    }
  }
}
