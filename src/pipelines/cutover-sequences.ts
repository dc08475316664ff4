import type pg from "pg";
import { endQuietly } from "../postgres/connection.js";
import { readSequences } from "../postgres/sequences.js";
import { planSequences, type ShardSequences } from "../schema/plan-sequences.js";
import { runStatement, statementFailed } from "../schema/run-statement.js";
import { readShardSequences } from "./cutover-schema.js";
import type { Migration } from "./migration.js";

const NO_ROLES: ReadonlySet<string> = new Set();

/**
 * The last of the cutover's schema, while applications wait: sequences that the source has drawn from since `cutoverSchema`
 * ran, and more than its margin. The sessions are open and the shards' catalogs read before.
 */
export class CutoverSequences {
  readonly #migration: Migration;
  readonly #sources: readonly pg.Client[];
  readonly #shards: readonly { readonly client: pg.Client; readonly facts: ShardSequences }[];

  private constructor(migration: Migration, sources: readonly pg.Client[], shards: readonly { client: pg.Client; facts: ShardSequences }[]) {
    this.#migration = migration;
    this.#sources = sources;
    this.#shards = shards;
  }

  /** To be opened when `cutoverSchema` has run. @param sources a session on each source shard, which stays its owner's */
  static async open(migration: Migration, sources: readonly pg.Client[]): Promise<CutoverSequences> {
    const opened: pg.Client[] = [];
    try {
      const shards = await Promise.all(
        migration.shards.map(async (shard) => {
          const client = await migration.sessions.kept.open(shard, "schema");
          opened.push(client);
          return { client, facts: await readShardSequences(client) };
        }),
      );
      return new CutoverSequences(migration, sources, shards);
    } catch (error) {
      await Promise.all(opened.map(endQuietly));
      throw error;
    }
  }

  /** Returns how many statements it took, over all shards. */
  async finish(): Promise<number> {
    const { pipeline } = this.#migration;
    const sources = await Promise.all(this.#sources.map(readSequences));
    // Nobody draws any more, so that no margin is needed beyond what there is.
    const plan = planSequences({ sources, shards: this.#shards.map(({ facts }) => facts), sharding: pipeline.to.sharding, strategy: pipeline.sequences, margin: 0n });
    await Promise.all(
      this.#shards.map(async ({ client }, number) => {
        for (const statement of plan.shards[number]!.statements) {
          await runStatement(client, statement, NO_ROLES).catch((error: unknown) => {
            throw statementFailed(statement, this.#migration.shards[number]!, error);
          });
        }
      }),
    );
    return plan.shards.reduce((sum, { statements }) => sum + statements.length, 0);
  }

  async close(): Promise<void> {
    await Promise.all(this.#shards.map(({ client }) => endQuietly(client)));
  }
}
