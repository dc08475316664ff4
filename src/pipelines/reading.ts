import type pg from "pg";
import { endQuietly } from "../postgres/connection.js";

/** Reads something in a session of its own. */
export async function reading<T>(session: Promise<pg.Client>, read: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await session;
  try {
    return await read(client);
  } finally {
    await endQuietly(client);
  }
}
