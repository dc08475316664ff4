import { z } from "zod";
import type { FlowEnd } from "../../config/types.js";
import { ReshardError } from "../../errors.js";
import { checkReplicaIdentities, readPublication } from "../../postgres/catalog.js";
import { displayAddress, endQuietly } from "../../postgres/connection.js";
import { quoteIdentifier } from "../../postgres/identifiers.js";
import { checkReplication } from "../preflight.js";
import { readSlot } from "../slot-state.js";
import { stopWaiting } from "../stop-waiting.js";
import { publicationName, shardNumber, slotName } from "./flow-options.js";
import type { ChangesSource, FlowContext } from "./flow-parts.js";

/** Options of a source of type "changes": what a publication sends from a slot on. */
export const changesSourceOptions = z.strictObject({
  publication: publicationName,
  slot: slotName,
  create_slot: z.boolean({ error: "true or false" }).default(true),
  until: z.enum(["caught-up", "stopped"], { error: '"caught-up" or "stopped"' }).default("caught-up"),
  shard: shardNumber.optional(),
});

/** @throws ReshardError SHARD_MISSING, PUBLICATION_MISSING and what else forbids to stream from the server */
export async function changesSource(entry: FlowEnd, { publication, slot, create_slot: mayMake, until, shard }: z.infer<typeof changesSourceOptions>, context: FlowContext): Promise<ChangesSource> {
  const { sessions, signal, report } = context;
  const { name, shards } = entry.database!;
  const found = shards[shard ?? 0];
  if (found === undefined || (shard === undefined && shards.length > 1)) {
    throw new ReshardError("SHARD_MISSING", found === undefined ? `${name} has no shard ${shard}.` : `${name} has ${shards.length} shards, each with changes of its own.`, {
      place: entry.places["shard"] ?? entry.place,
      remedy: `Name one from 0 to ${shards.length - 1} (shard), and make a flow for each.`,
    });
  }
  const server = found.primary;
  const place = { server: displayAddress(server) };
  const { version, tables } = await sessions.kept.use(server, "monitor", async (client) => {
    const facts = await checkReplication(client, server);
    const published = await readPublication(client, publication);
    checkReplicaIdentities(published.tables);
    return { version: facts.version, tables: published.tables };
  });
  return {
    kind: "changes",
    server, sourceShard: found.number, version, publication, tables, slot, until,
    async ensureSlot(begun) {
      const there = await sessions.kept.use(server, "monitor", (client) => readSlot(client, slot));
      if (there?.walStatus === "lost") throw new ReshardError("SLOT_LOST", `${place.server} has thrown away WAL that the slot ${slot} still needed (max_slot_wal_keep_size).`, { place, remedy: `Changes are missing from here on. Drop the slot (SELECT pg_drop_replication_slot('${slot}');), bring the sink to the source's present state and begin anew.` });
      if (there !== undefined) return;
      if (begun || !mayMake) {
        throw new ReshardError("SLOT_MISSING", begun ? `The slot ${slot} is not on ${place.server} any more, and the changes it kept are gone with it.` : `${place.server} has no slot ${slot}.`, {
          place,
          remedy: begun ? "Bring the sink to the source's present state and begin anew: into another file, or after removing what the sink knows of this stream." : `Make it: SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput'); or leave out create_slot = false.`,
        });
      }
      const client = await sessions.source(server, "stream", { replication: true });
      try {
        // It waits for all transactions that are open.
        await stopWaiting(signal, client, () => client.query(`CREATE_REPLICATION_SLOT ${quoteIdentifier(slot)} LOGICAL pgoutput (SNAPSHOT 'nothing')`));
      } catch (error) {
        // The server would go on waiting, and make the slot when nobody is there any more.
        if (signal.aborted) await sessions.kept.use(server, "monitor", (monitor) => sessions.fence(monitor, "stream"));
        throw error;
      } finally {
        await endQuietly(client);
      }
      report({ type: "note", message: `The slot ${slot} was made on ${place.server}: what commits from now on is brought.` });
    },
  };
}
