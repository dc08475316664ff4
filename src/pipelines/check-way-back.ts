import type pg from "pg";
import { defect, ReshardError } from "../errors.js";
import type { ServerAddress } from "../config/types.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { displayAddress } from "../postgres/connection.js";
import { displayName, qualifiedName } from "../postgres/identifiers.js";
import { migrationId, slotName } from "./migration.js";
import { checkSource } from "./preflight.js";
import { reading } from "./reading.js";
import { reversePipeline } from "./reverse-pipeline.js";
import type { ShardsContext } from "./run-on-shards.js";
import { Sessions } from "./sessions.js";
import { readSlot } from "./slot.js";
import { sourceShards } from "./source-shard.js";

/**
 * Checks for real that the shards can be streamed from and that the source can take what they send: `wal_level`, slots,
 * publications and privileges, with the sessions that the way back will use. Changes nothing; the publication has to be there.
 */
export async function checkWayBack({ pipeline, report }: Pick<ShardsContext, "pipeline" | "report">): Promise<void> {
  const reverse = reversePipeline(pipeline);
  const id = migrationId(reverse);
  const sessions = new Sessions(id);
  const parts = await Promise.all(
    reverse.from.shards.map(async ({ primary: address }, number) => {
      const slot = slotName(reverse.slot!, number);
      const facts = await reading(sessions.source(address, "monitor"), async (client) => {
        const checked = await checkSource(client, reverse, address);
        if (checked.freeSlots < 1 && (await readSlot(client, slot)) === undefined) throw noFreeSlot(address);
        return checked;
      });
      return { number, address, facts, copyServers: [], slot, migration: id, monitor: () => Promise.reject(defect("a check asks no more")) };
    }),
  );
  // Compares the shards with one another too.
  const { tables } = sourceShards(reverse, parts)[0]!;
  for (const { primary: address } of reverse.to.shards) {
    await reading(sessions.writer(address, "apply 0"), async (client) => {
      await checkPrivileges(client, address, tables);
      for (const message of await firingTriggers(client, address, tables)) report({ type: "note", message });
    });
  }
}

function noFreeSlot(address: ServerAddress): ReshardError {
  const server = displayAddress(address);
  return new ReshardError("NO_FREE_SLOT", `${server} has no replication slot or sender left for the way back.`, {
    place: { server },
    remedy: "Raise max_replication_slots and max_wal_senders there (a restart), or drop slots that nobody needs.",
  });
}

async function checkPrivileges(client: pg.Client, address: ServerAddress, tables: readonly PublishedTable[]): Promise<void> {
  const server = displayAddress(address);
  const user = client.escapeIdentifier(address.user);
  const { rows } = await client.query<{ may_create: boolean; lacking: string[] }>(
    `SELECT to_regnamespace('reshard') IS NOT NULL OR has_database_privilege(current_database(), 'CREATE') AS may_create,
            ARRAY(SELECT name FROM unnest($1::text[]) AS name
                   WHERE to_regclass(name) IS NULL OR NOT (SELECT bool_and(has_table_privilege(to_regclass(name), privilege)) FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) AS privilege)) AS lacking`,
    [tables.map(qualifiedName)],
  );
  const { may_create: mayCreate, lacking } = rows[0]!;
  if (!mayCreate) {
    throw new ReshardError("PRIVILEGE_MISSING", `${server}: user "${address.user}" may not make the schema "reshard", in which the progress of the way back is kept.`, {
      place: { server },
      remedy: `Run there: GRANT CREATE ON DATABASE ${client.escapeIdentifier(address.database)} TO ${user};`,
    });
  }
  if (lacking.length > 0) {
    throw new ReshardError("PRIVILEGE_MISSING", `${server}: user "${address.user}" may not write to ${lacking.slice(0, 10).join(", ")}${lacking.length > 10 ? ` and ${lacking.length - 10} more` : ""}.`, {
      place: { server },
      remedy: `Run there: GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ${lacking.join(", ")} TO ${user};`,
    });
  }
}

/** Triggers that fire for replicated rows too, by their definition: ENABLE ALWAYS and ENABLE REPLICA. */
async function firingTriggers(client: pg.Client, address: ServerAddress, tables: readonly PublishedTable[]): Promise<string[]> {
  const { rows } = await client.query<{ schema: string; name: string; trigger: string }>(
    `SELECT n.nspname AS schema, c.relname AS name, t.tgname AS trigger
       FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE t.tgenabled IN ('A', 'R') AND c.oid = ANY (SELECT to_regclass(name) FROM unnest($1::text[]) AS name) ORDER BY 1, 2, 3`,
    [tables.map(qualifiedName)],
  );
  if (rows.length === 0) return [];
  return [`${displayAddress(address)}: these triggers fire for what comes back too (ENABLE ALWAYS or REPLICA): ${rows.map((row) => `${row.trigger} of ${displayName(row)}`).join(", ")}.`];
}
