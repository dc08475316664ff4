import type pg from "pg";
import type { ServerAddress } from "../../config/types.js";
import { connect, endQuietly } from "../../postgres/connection.js";
import { quoteIdentifier, quoteLiteral } from "../../postgres/identifiers.js";
import { sqlState } from "../../postgres/server-errors.js";
import { GID_PREFIX, parseGid, type TwoPhaseGid } from "./two-phase-gid.js";
import { prepareTwoPhaseShard, type TwoPhaseShard } from "./two-phase-shard.js";

export interface TwoPhaseRecovery {
  /** Prepared transactions, by what became of them. */
  readonly committed: number;
  readonly rolledBack: number;
  /** Their coordinator is at work, or the shard that decides cannot be asked: they wait for the next time. */
  readonly left: number;
  /** Decisions that nobody needs any more. */
  readonly forgotten: number;
  /** By shard; undefined where it could not be reached. */
  readonly shards: readonly (TwoPhaseShard | undefined)[];
  /** Why shards could not be asked, or prepared transactions not be finished. */
  readonly failures: readonly { readonly shard: number; readonly error: unknown }[];
}

/** How long the question whether somebody is at work may wait for an answer, in milliseconds. */
const PATIENCE = 200;

interface ReachedShard extends TwoPhaseShard {
  readonly number: number;
  readonly client: pg.Client;
}

interface Found {
  readonly on: ReachedShard;
  readonly gid: string;
  readonly parsed: TwoPhaseGid;
  readonly owner: string;
}

/**
 * Finishes what two-phase commits have left behind; see `commitInTwoPhases` for why it is right. Can be run at any time,
 * by several at once. Makes the tables where they are missing.
 * @param addresses of the shards' primaries, by their number, with logins that may finish others' transactions (superusers,
 * or members of the roles that the clients have)
 * @param youngest milliseconds: transactions that were prepared less long ago are left alone, their coordinator is most likely at work
 */
export async function recoverTwoPhase(addresses: readonly ServerAddress[], youngest = 0): Promise<TwoPhaseRecovery> {
  const failures: { shard: number; error: unknown }[] = [];
  const clients: pg.Client[] = [];
  const reached = await Promise.all(addresses.map(async (address, number): Promise<ReachedShard | undefined> => {
    try {
      const client = await connect(address, { applicationName: "pg-reshard two-phase commit", parameters: { default_transaction_isolation: "read committed" } });
      clients.push(client);
      return { number, client, ...await prepareTwoPhaseShard(client, address) };
    } catch (error) {
      failures.push({ shard: number, error });
      return undefined;
    }
  }));
  try {
    return { ...await new Recovery(reached.filter((shard) => shard !== undefined), youngest, failures).run(), shards: reached.map((shard) => shard && { identity: shard.identity, maxPreparedTransactions: shard.maxPreparedTransactions }), failures };
  } finally {
    await Promise.all(clients.map(endQuietly));
  }
}

class Recovery {
  readonly #shards: readonly ReachedShard[];
  readonly #byIdentity: ReadonlyMap<string, ReachedShard>;
  readonly #youngest: number;
  readonly #failures: { shard: number; error: unknown }[];

  constructor(shards: readonly ReachedShard[], youngest: number, failures: { shard: number; error: unknown }[]) {
    this.#shards = shards;
    this.#byIdentity = new Map(shards.map((shard) => [shard.identity, shard]));
    this.#youngest = youngest;
    this.#failures = failures;
  }

  async run(): Promise<Pick<TwoPhaseRecovery, "committed" | "rolledBack" | "left" | "forgotten">> {
    // Decisions first: whatever belongs to one of them was prepared before, and shows up among the prepared, if it still is.
    const decided = await Promise.all(this.#shards.map(async (shard) => ({ shard, rows: await this.#decisions(shard) })));
    const found = (await Promise.all(this.#shards.map((shard) => this.#prepared(shard)))).flat();
    const counts = { committed: 0, rolledBack: 0, left: 0, forgotten: 0 };
    const outcomes = new Map<string, Promise<Outcome>>();
    for (const prepared of found) {
      if (prepared.young) {
        counts.left++;
        continue;
      }
      const { decider, transaction } = prepared.parsed;
      const outcome = await (outcomes.get(transaction) ?? remembered(outcomes, transaction, this.#outcome(decider, transaction)));
      const finished = outcome !== "undecided" && (await this.#finish(prepared, outcome));
      counts[!finished ? "left" : outcome === "commit" ? "committed" : "rolledBack"]++;
    }
    const needed = new Set(found.map(({ parsed }) => parsed.transaction));
    for (const { shard, rows } of decided) {
      const forgotten = rows.filter(({ transaction, identities }) => !needed.has(transaction) && identities.every((identity) => this.#byIdentity.has(identity)));
      if (forgotten.length === 0) continue;
      await shard.client.query("DELETE FROM reshard.two_phase_decision WHERE transaction = ANY ($1)", [forgotten.map(({ transaction }) => transaction)]);
      counts.forgotten += forgotten.length;
    }
    return counts;
  }

  async #decisions({ client }: ReachedShard): Promise<readonly { readonly transaction: string; readonly identities: readonly string[] }[]> {
    const { rows } = await client.query<{ transaction: string; identities: string[] }>("SELECT transaction, identities FROM reshard.two_phase_decision");
    return rows;
  }

  async #prepared(on: ReachedShard): Promise<readonly (Found & { readonly young: boolean })[]> {
    const { rows } = await on.client.query<{ gid: string; owner: string; young: boolean }>(
      `SELECT gid, owner, prepared > clock_timestamp() - $1 * interval '1 millisecond' AS young
         FROM pg_prepared_xacts WHERE database = current_database() AND starts_with(gid, $2) ORDER BY prepared`,
      [this.#youngest, GID_PREFIX],
    );
    return rows.flatMap(({ gid, owner, young }) => {
      const parsed = parseGid(gid);
      return parsed === undefined ? [] : [{ on, gid, parsed, owner, young }];
    });
  }

  /** What the deciding shard says, or will say for ever. */
  async #outcome(identity: string, transaction: string): Promise<Outcome> {
    const decider = this.#byIdentity.get(identity);
    if (decider === undefined) return "undecided";
    const { client } = decider;
    try {
      await client.query(`BEGIN; SET LOCAL lock_timeout = ${PATIENCE}`);
      const { rowCount } = await client.query("INSERT INTO reshard.two_phase_decision (transaction, identities) VALUES ($1, '{}') ON CONFLICT DO NOTHING", [transaction]);
      return rowCount === 0 ? "commit" : "roll back";
    } catch (error) {
      if (sqlState(error) !== "55P03") this.#failures.push({ shard: decider.number, error });
      return "undecided";
    } finally {
      await client.query("ROLLBACK").catch(() => undefined);
    }
  }

  async #finish({ on, gid, owner }: Found, outcome: "commit" | "roll back"): Promise<boolean> {
    const statement = `${outcome === "commit" ? "COMMIT" : "ROLLBACK"} PREPARED ${quoteLiteral(gid)}`;
    try {
      await on.client.query(statement).catch(async (error: unknown) => {
        // Only its owner may, or a superuser.
        if (sqlState(error) !== "42501") throw error;
        await on.client.query(`SET ROLE ${quoteIdentifier(owner)}`);
        try {
          await on.client.query(statement);
        } finally {
          await on.client.query("RESET ROLE");
        }
      });
      return true;
    } catch (error) {
      // Its coordinator has finished it meanwhile.
      if (sqlState(error) === "42704") return true;
      // 55000: somebody else is at it right now.
      if (sqlState(error) !== "55000") this.#failures.push({ shard: on.number, error });
      return false;
    }
  }
}

type Outcome = "commit" | "roll back" | "undecided";

function remembered(outcomes: Map<string, Promise<Outcome>>, transaction: string, outcome: Promise<Outcome>): Promise<Outcome> {
  outcomes.set(transaction, outcome);
  return outcome;
}
