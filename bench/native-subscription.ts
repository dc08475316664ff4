import type { Cluster } from "../src/embedded/cluster.js";
import { connectionString, execute, PUBLICATION } from "./servers.js";

export interface NativeSubscription {
  readonly name: string;
  readonly source: Cluster;
  /** Database on the source. */
  readonly from: string;
  readonly destination: Cluster;
  /** Database on the destination. */
  readonly to: string;
  /** True: copy the tables, and begin at once. False: only make the slot; `enableSubscription` begins. */
  readonly copyData: boolean;
}

/** PostgreSQL's own logical replication, with values in binary as ours has them. */
export async function createSubscription({ name, source, from, destination, to, copyData }: NativeSubscription): Promise<void> {
  await execute(
    destination,
    to,
    `CREATE SUBSCRIPTION ${name} CONNECTION '${connectionString(source, from)}' PUBLICATION ${PUBLICATION}
       WITH (create_slot = true, enabled = ${copyData}, copy_data = ${copyData}, binary = true)`,
  );
}

export async function enableSubscription({ name, destination, to }: NativeSubscription): Promise<void> {
  await execute(destination, to, `ALTER SUBSCRIPTION ${name} ENABLE`);
}

/** Drops it with its slot. */
export async function dropSubscription({ name, destination, to }: NativeSubscription): Promise<void> {
  await execute(destination, to, `DROP SUBSCRIPTION ${name}`);
}
