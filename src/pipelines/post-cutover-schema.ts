import { ReshardError } from "../errors.js";
import type { ServerAddress } from "../config/types.js";
import { readPublication } from "../postgres/catalog.js";
import { displayAddress } from "../postgres/connection.js";
import { displayName } from "../postgres/identifiers.js";
import { readPublicationDefinition } from "../postgres/publication-definition.js";
import { readReplicaIdentities } from "../postgres/replica-identities.js";
import { grownKeys, grownKeyNotes, keysTooLarge } from "../schema/grown-keys.js";
import { planPublication } from "../schema/plan-publication.js";
import { checkWayBack } from "./check-way-back.js";
import { narrowColumns } from "./narrow-columns.js";
import { runOnShards, type ShardsContext, type ShardsPlan, type ShardsReport } from "./run-on-shards.js";
import { listed } from "../words.js";

/**
 * Makes the way back ready: the shards' changes can be streamed into the database that is left, by `reversePipeline` from
 * the slots of `makeSlots`. Gives every shard the source's publication and replica identities, and checks that shards and
 * source are fit for it. Best run before the cutover, for what it finds may be a reason to wait; it can be run again.
 *
 * @throws ReshardError KEYS_TOO_LARGE, before anything is changed, where keys do not fit into the source any more;
 * `ignoreErrors` makes a note of it
 */
export async function postCutoverSchema(context: ShardsContext, { ignoreErrors = false }: { readonly ignoreErrors?: boolean } = {}): Promise<ShardsReport> {
  const plan = async (): Promise<ShardsPlan> => {
    const planned = await postCutoverPlan(context);
    if (planned.keysBeyond.length > 0 && !ignoreErrors) throw keysTooLarge(planned.keysBeyond);
    return planned;
  };
  const check = (): Promise<string[]> => checkWayBack(context);
  return await runOnShards(context, { phase: "post-cutover", ignoreErrors, plan, check });
}

export interface PostCutoverPlan extends ShardsPlan {
  /** Keys that the source is too small for already: one phrase each. They are among the notes too. */
  readonly keysBeyond: readonly string[];
}

/** What `postCutoverSchema` would do now. Only reads. */
export async function postCutoverPlan({ pipeline, sessions, shards }: Pick<ShardsContext, "pipeline" | "sessions" | "shards">): Promise<PostCutoverPlan> {
  const { publication: name, allowPartialPublication: allowPartial } = pipeline;
  const source = await sessions.kept.use(pipeline.from.shards[0]!.primary, "monitor", async (client) => {
    // Fails where it is not there, or empty.
    await readPublication(client, name);
    return { source: (await readPublicationDefinition(client, name))!, sourceIdentities: await readReplicaIdentities(client, name) };
  });
  const filtered = source.source.listed.filter(({ columns, filter }) => columns !== undefined || filter !== undefined);
  const plans = await Promise.all(
    shards.map(async (server) =>
      await sessions.kept.use(server, "journal", async (client) => {
        const shard = await readPublicationDefinition(client, name);
        const plan = planPublication({ ...source, shard, shardIdentities: await readReplicaIdentities(client), allowPartial });
        if (plan.missing.length > 0) throw tablesMissing(server, plan.missing.map(displayName));
        return plan;
      }),
    ),
  );
  const grown = grownKeys(await narrowColumns({ pipeline, sessions, shards }));
  return {
    shards: plans,
    keysBeyond: grown.beyond,
    notes: [...grownKeyNotes(grown), ...(filtered.length === 0 ? [] : [`The publication has column lists or row filters: what they leave out of ${filtered.map(displayName).join(", ")} on the shards does not come back.`])],
  };
}

function tablesMissing(shard: ServerAddress, tables: readonly string[]): ReshardError {
  const server = displayAddress(shard);
  return new ReshardError("SCHEMA_MISSING", `${server} does not have ${listed(tables)}.`, {
    place: { server },
    remedy: "Make the schema first: pg-reshard schema-sync, without --post-cutover.",
  });
}
