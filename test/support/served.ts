import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import type { Environment } from "../../src/config/environment.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import type { ServeEvent } from "../../src/serve/serve-event.js";
import { serve, type Serving } from "../../src/serve/serve.js";
import { atEnd } from "./at-end.js";

export const APP_PASSWORD = "app's p@ss";
export const ADMIN_PASSWORD = "admin's p@ss";

/** Configuration files in a directory that is gone after the tests. */
export class ServedFiles {
  readonly directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-"));
  readonly config = path.join(this.directory, "pgdog.toml");
  readonly users = path.join(this.directory, "users.toml");

  constructor(config: string, users: string) {
    writeFileSync(this.config, config);
    writeFileSync(this.users, users);
    atEnd(() => { rmSync(this.directory, { recursive: true, force: true }); });
  }
}

/** `[[databases]]` entries: each list's elements are the shards of one. */
export function databasesToml(databases: Readonly<Record<string, readonly { readonly cluster: Cluster; readonly database: string }[]>>): string {
  return Object.entries(databases)
    .flatMap(([name, shards]) => shards.map(({ cluster, database }, shard) => `[[databases]]\nname = "${name}"\nhost = "${cluster.host}"\nport = ${cluster.port}\nshard = ${shard}\ndatabase_name = "${database}"\nsslmode = "disable"\n`))
    .join("\n");
}

/** One user for everything, who may change schemas too. */
export function usersToml(cluster: Cluster, name = "app"): string {
  return `[[users]]\nname = "${name}"\nall_databases = true\npassword = "${APP_PASSWORD}"\nserver_user = "${cluster.user}"\nserver_password = "${cluster.password}"\nschema_admin = true\n`;
}

/** `[general]` and `[admin]`. @param more further lines of `[general]` */
export function generalToml(more = "", port = 0): string {
  return `[general]\nhost = "127.0.0.1"\nport = ${port}\n${more}\n\n[admin]\npassword = "${ADMIN_PASSWORD}"\n`;
}

/** A gateway in this process. */
export class Served {
  readonly events: ServeEvent[] = [];
  readonly serving: Serving;

  private constructor(serving: Serving, events: ServeEvent[]) {
    this.serving = serving;
    this.events = events;
  }

  static async start(files: ServedFiles, environment: Environment = {}): Promise<Served> {
    const events: ServeEvent[] = [];
    const serving = await serve({ files, environment, version: "0", report: (event) => { events.push(event); } });
    return new Served(serving, events);
  }

  async client(database: string, config: pg.ClientConfig = {}): Promise<pg.Client> {
    const client = new pg.Client({ host: "127.0.0.1", port: this.serving.port, user: "app", password: APP_PASSWORD, database, ...config });
    client.on("error", () => undefined);
    await client.connect();
    return client;
  }

  async admin(): Promise<pg.Client> {
    return await this.client("admin", { user: "admin", password: ADMIN_PASSWORD });
  }
}
