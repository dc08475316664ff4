import type { Cluster } from "../../src/embedded/cluster.js";

let databases = 0;

/** Makes a database as a copy of another (`template1`: empty), which has to have no sessions, and runs more in it; returns its name. */
export async function databaseLike(cluster: Cluster, template: string, ...sql: readonly string[]): Promise<string> {
  const name = `db ${databases++}`;
  await cluster.createDatabase(name, template);
  const client = await cluster.connect(name);
  for (const text of sql) await client.query(text);
  await client.end();
  return name;
}
