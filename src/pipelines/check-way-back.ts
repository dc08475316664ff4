import type pg from "pg";
import { ReshardError } from "../errors.js";
import type { Pipeline, ServerAddress } from "../config/types.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { displayAddress } from "../postgres/connection.js";
import { displayName, qualifiedName } from "../postgres/identifiers.js";
import { checkBookkeepingPrivilege } from "./bookkeeping-privilege.js";
import { migrationId, slotNames } from "./migration.js";
import { checkSource } from "./preflight.js";
import { reading } from "./reading.js";
import { reversePipeline } from "./reverse-pipeline.js";
import type { ShardsContext } from "./run-on-shards.js";
import { Sessions } from "./sessions.js";
import { readSlot } from "./slot-state.js";
import { checkSourcesAlike } from "./source-shard.js";
import { listed } from "../words.js";

/**
 * Checks for real that the shards can be streamed from and that the source can take what they send: `wal_level`, slots,
 * publications and privileges, with the sessions that the way back will use. Changes nothing; the publication has to be there.
 * @returns what a person should know, one sentence each
 */
export async function checkWayBack({ pipeline }: Pick<ShardsContext, "pipeline">): Promise<string[]> {
  try {
    return await checkReverse(reversePipeline(pipeline));
  } catch (error) {
    if (!(error instanceof ReshardError) || error.kind !== "operator") throw error;
    // It speaks of the shards as a source, which they are on the way back only.
    const { code, message, remedy, place } = error;
    throw new ReshardError(code, `The way back: ${message}`, { place, cause: error, ...(remedy === undefined ? {} : { remedy }) });
  }
}

async function checkReverse(reverse: Pipeline): Promise<string[]> {
  const sessions = new Sessions(migrationId(reverse));
  const slots = slotNames(reverse);
  const parts = await Promise.all(
    reverse.from.shards.map(async ({ primary: address }, number) => {
      const facts = await reading(sessions.source(address, "monitor"), async (client) => {
        const checked = await checkSource(client, reverse, address);
        if (checked.freeSlots < 1 && (await readSlot(client, slots[number]!)) === undefined) throw noFreeSlot(address);
        return checked;
      });
      return { address, facts };
    }),
  );
  checkSourcesAlike(reverse, parts);
  const { tables } = parts[0]!.facts.publication;
  const notes: string[] = [];
  for (const { primary: address } of reverse.to.shards) {
    await reading(sessions.writer(address, "apply 0"), async (client) => {
      await checkTables(client, address, tables);
      notes.push(...(await firingTriggers(client, address, tables)));
    });
  }
  return notes;
}

function noFreeSlot(address: ServerAddress): ReshardError {
  const server = displayAddress(address);
  return new ReshardError("NO_FREE_SLOT", `${server} has no replication slot or sender left for the way back.`, {
    place: { server },
    remedy: "Raise max_replication_slots and max_wal_senders there (a restart), or drop slots that nobody needs.",
  });
}

/** All that the shards send is there and may be written to. */
async function checkTables(client: pg.Client, address: ServerAddress, tables: readonly PublishedTable[]): Promise<void> {
  const server = displayAddress(address);
  const { rows } = await client.query<{ missing: string[]; lacking: string[] }>(
    `SELECT ARRAY(SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL) AS missing,
            ARRAY(SELECT name FROM unnest($1::text[]) AS name
                   WHERE to_regclass(name) IS NOT NULL AND NOT (SELECT bool_and(has_table_privilege(to_regclass(name), privilege)) FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) AS privilege)) AS lacking`,
    [tables.map(qualifiedName)],
  );
  const { missing, lacking } = rows[0]!;
  if (missing.length > 0) {
    throw new ReshardError("SCHEMA_MISSING", `${server} does not have ${listed(missing)}, which the shards publish.`, {
      place: { server },
      remedy: "Make them there, or take them out of the shards' publication.",
    });
  }
  await checkBookkeepingPrivilege(client, address, "the progress of the way back");
  if (lacking.length > 0) {
    throw new ReshardError("PRIVILEGE_MISSING", `${server}: user "${address.user}" may not write to ${listed(lacking)}.`, {
      place: { server },
      remedy: `Run there: GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ${lacking.join(", ")} TO ${client.escapeIdentifier(address.user)};`,
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
