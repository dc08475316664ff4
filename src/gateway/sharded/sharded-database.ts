import type { Database } from "../../config/types.js";
import { connect, endQuietly } from "../../postgres/connection.js";
import { loadParser } from "../../schema/syntax-tree.js";
import { readShardedCatalog } from "../planning/read-sharded-catalog.js";
import { StatementPlanner } from "../planning/statement-planner.js";
import { TransactionNames } from "./two-phase-gid.js";
import { recoverTwoPhase, type TwoPhaseRecovery } from "./two-phase-recovery.js";
import { checkPreparedTransactions } from "./two-phase-shard.js";
import { readUserTypes, TypeMap } from "./user-types.js";

export interface ShardedOptions {
  /** COMMIT on several shards is all or nothing; else it is sent to one after another. */
  readonly twoPhaseCommit: boolean;
  /**
   * Milliseconds that a statement may wait for a lock in a transaction of several shards whose `lock_timeout` is 0; 0: for
   * ever. No server sees a deadlock of which it has only a part.
   */
  readonly deadlockTimeout: number;
  /** Milliseconds between two looks at what two-phase commits have left behind. */
  readonly recoveryInterval: number;
  /** Told what was found at each of them. */
  readonly onRecovery?: (database: string, recovery: TwoPhaseRecovery) => void;
  /** Told what failed in the background. */
  readonly onError?: (database: string, error: unknown) => void;
}

export const DEFAULT_RECOVERY_INTERVAL = 30_000;
/** Those whose coordinator is alive are finished by it: only what is left lying is looked at, in milliseconds. */
const LEFT_LYING = 5000;

/** What the sessions of one sharded database share. */
export class ShardedDatabase {
  readonly database: Database;
  readonly options: ShardedOptions;
  readonly transactions = new TransactionNames();
  readonly #timer: NodeJS.Timeout | undefined;
  #planner: StatementPlanner;
  #reading: Promise<void> | undefined;
  #turn = 0;
  /** Of shards that sessions have come to. */
  readonly #types = new Map<number, { readonly map: TypeMap; read: Promise<void> }>();
  /** By shard; see `TwoPhaseShard`. */
  #identities: readonly (string | undefined)[];

  private constructor(database: Database, options: ShardedOptions, planner: StatementPlanner, identities: readonly (string | undefined)[]) {
    this.database = database;
    this.options = options;
    this.#planner = planner;
    this.#identities = identities;
    if (options.twoPhaseCommit) {
      this.#timer = setInterval(() => {
        this.recover(LEFT_LYING).catch((error: unknown) => options.onError?.(database.name, error));
      }, options.recoveryInterval).unref();
    }
  }

  /**
   * Reads the catalog of the first shard, and finishes what two-phase commits have left behind on the shards that can be
   * reached.
   *
   * Fails with SERVER_UNREACHABLE and the like where the first shard is not there, with TWO_PHASE_UNAVAILABLE where a server
   * takes no prepared transactions.
   */
  static async open(database: Database, options: ShardedOptions): Promise<ShardedDatabase> {
    await loadParser();
    const planner = await readPlanner(database);
    if (!options.twoPhaseCommit) return new ShardedDatabase(database, options, planner, []);
    const recovery = await recoverTwoPhase(database.shards.map(({ primary }) => primary));
    options.onRecovery?.(database.name, recovery);
    recovery.shards.forEach((shard, number) => {
      if (shard !== undefined) checkPreparedTransactions(shard, database.shards[number]!.primary);
    });
    return new ShardedDatabase(database, options, planner, recovery.shards.map((shard) => shard?.identity));
  }

  get planner(): StatementPlanner {
    return this.#planner;
  }

  /** The next shard for what any of them can answer. */
  nextShard(): number {
    this.#turn = (this.#turn + 1) % this.database.shards.length;
    return this.#turn;
  }

  /** Reads the catalog anew; resolves when one has been read that is not older than this call. */
  async readCatalog(): Promise<void> {
    // One that is under way may have begun before what it is to show.
    await this.#reading?.catch(() => undefined);
    this.#reading ??= Promise.all([readPlanner(this.database), ...[...this.#types].map(([shard, { map }]) => this.#readTypes(shard, map))]).then(([planner]) => {
      this.#planner = planner;
    }).finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  /** What users' types are on a shard. It stays up to date with the catalog. */
  async typesOn(shard: number): Promise<TypeMap> {
    let types = this.#types.get(shard);
    if (types === undefined) {
      const map = new TypeMap();
      types = { map, read: shard === 0 ? Promise.resolve() : this.#readTypes(shard, map) };
      this.#types.set(shard, types);
      // The next session tries again.
      types.read.catch(() => this.#types.delete(shard));
    }
    await types.read;
    return types.map;
  }

  async #readTypes(shard: number, map: TypeMap): Promise<void> {
    if (shard === 0) return;
    const [first, own] = await Promise.all([readUserTypes(this.database.shards[0]!.primary), readUserTypes(this.database.shards[shard]!.primary)]);
    map.set(first, own);
  }

  /** See `TwoPhaseShard.identity`. Undefined where the shard could not be reached yet. */
  async identityOf(shard: number): Promise<string | undefined> {
    if (this.#identities[shard] === undefined) await this.recover();
    return this.#identities[shard];
  }

  /** See `recoverTwoPhase`. */
  async recover(youngest = 0): Promise<TwoPhaseRecovery> {
    const recovery = await recoverTwoPhase(this.database.shards.map(({ primary }) => primary), youngest);
    this.#identities = recovery.shards.map((shard, number) => shard?.identity ?? this.#identities[number]);
    this.options.onRecovery?.(this.database.name, recovery);
    return recovery;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

async function readPlanner({ shards, sharding }: Database): Promise<StatementPlanner> {
  const client = await connect(shards[0]!.primary, { applicationName: "pg-reshard catalog" });
  try {
    return new StatementPlanner(await readShardedCatalog(client, sharding, shards.length));
  } finally {
    await endQuietly(client);
  }
}
