import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import type { Cluster } from "../../src/embedded/cluster.js";
import { freePort } from "../../src/embedded/free-port.js";
import { atEnd } from "./at-end.js";
import { moment } from "./moment.js";

/** Where this machine has a PgBouncer; undefined where it has none. */
export function pgbouncerBinary(): string | undefined {
  try {
    return execFileSync("/bin/sh", ["-c", "PATH=$PATH:/usr/sbin command -v pgbouncer"], { encoding: "utf8" }).trim();
  } catch {
    return undefined;
  }
}

export interface PgBouncer {
  readonly port: number;
  /** Its pgbouncer.ini. */
  readonly file: string;
  text(): string;
  /** A client's session with a database of its own names. */
  connect(name: string): Promise<pg.Client>;
}

/** A PgBouncer for the tests of one file, in transaction mode. @param databases lines of `[databases]` */
export async function startPgBouncer(binary: string, databases: readonly string[], { user }: Pick<Cluster, "user">): Promise<PgBouncer> {
  const directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-"));
  const file = path.join(directory, "pgbouncer.ini");
  const port = await freePort();
  writeFileSync(file, `; who goes where\n[databases]\n${databases.join("\n")}\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =\nauth_type = any\nadmin_users = ${user}\npool_mode = transaction\nlogfile = ${directory}/log\n`);
  const owner = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined;
  if (owner !== undefined) for (const each of [directory, file]) chownSync(each, owner.uid, owner.gid);
  const child: ChildProcess = spawn(binary, ["-q", file], { stdio: "ignore", ...owner });
  const ended = new Promise<void>((resolve) => child.once("close", () => { resolve(); }));
  atEnd(async () => {
    child.kill("SIGKILL");
    await ended;
    rmSync(directory, { recursive: true, force: true });
  });
  const connect = async (name: string): Promise<pg.Client> => {
    for (const begun = Date.now(); ; ) {
      const client = new pg.Client({ host: "127.0.0.1", port, user, database: name, password: "any" });
      client.on("error", () => undefined);
      try {
        await client.connect();
        return client;
      } catch (error) {
        if (Date.now() > begun + 30_000 || child.exitCode !== null) throw error;
        await moment();
      }
    }
  };
  await (await connect("pgbouncer")).end();
  return { port, file, text: () => readFileSync(file, "utf8"), connect };
}
