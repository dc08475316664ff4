import type { ServerAddress } from "../../src/config/types.js";
import { connect, endQuietly } from "../../src/postgres/connection.js";
import { openServer } from "../../src/wire/open-server.js";
import { runQuery } from "../../src/wire/run-query.js";

const ENCRYPTED = "SELECT ssl::text AS ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/** How a session of our own comes to be, and one of a client of the gateway: "encrypted", "plain", or why there is none. */
export interface Reached {
  readonly own: string;
  readonly clients: string;
}

export async function reach(address: ServerAddress): Promise<Reached> {
  return { own: await own(address).catch(said), clients: await clients(address).catch(said) };
}

async function own(address: ServerAddress): Promise<string> {
  const client = await connect(address, { applicationName: "test" });
  try {
    return shown((await client.query<{ ssl: string }>(ENCRYPTED)).rows[0]?.ssl);
  } finally {
    await endQuietly(client);
  }
}

async function clients(address: ServerAddress): Promise<string> {
  const server = await openServer(address, { parameters: [], timeout: 0 });
  try {
    return shown((await runQuery(server, ENCRYPTED))[0]?.[0]?.[0]);
  } finally {
    await server.end();
  }
}

function shown(ssl: string | null | undefined): string {
  return ssl === "true" ? "encrypted" : "plain";
}

function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
