import type { Random } from "../../src/demo/random.js";
import { type Lsn, maxLsn } from "../../src/postgres/lsn.js";
import { EVERY_SHARD } from "../../src/sharding/table-route.js";
import type { Row, TableSpec } from "../support/changes.js";
import type { State } from "../support/changes-history.js";
import { homeOf } from "../support/changes-tables.js";
import { SimulationFailure } from "./failure.js";
import type { Parts } from "./parts.js";
import type { SimulatedShard } from "./simulated-shard.js";
import type { SimulatedSource } from "./simulated-source.js";
import { isTaken, movesBetweenSources } from "./tables.js";

/** Bytes and counts of one simulation's process; small, so that little data meets every limit. */
export interface Settings {
  readonly windowBytes: number;
  readonly batchBytes: number;
  readonly parallelCopies: number;
  /** Rows in a batch of a copy. */
  readonly copyRows: number;
}

/** The servers of one simulation, and what all its parts need. */
export interface World {
  readonly random: Random;
  readonly parts: Parts;
  readonly settings: Settings;
  readonly tables: readonly TableSpec[];
  /** Source shards; a table without sharding key is taken from the first. */
  readonly sources: readonly SimulatedSource[];
  readonly shards: readonly SimulatedShard[];
  /** Whether a table's row belongs on a shard. */
  readonly isAt: (oid: number, row: Row, shard: number) => boolean;
  /** Notes what happened, where somebody wants to read it. */
  readonly note: (words: () => string) => void;
}

/** A source shard as it was at a position: what committed before it is in there, and nothing else. */
export interface SourceMoment {
  readonly position: Lsn;
  readonly state: State;
}

/** The last one of a source shard. */
export function presentOf(source: SimulatedSource): SourceMoment {
  return { position: source.position, state: source.tables };
}

/** Fails where a shard holds other rows than its share of what the source shards held. */
export function checkShards(world: World, moments: readonly SourceMoment[], when: string): void {
  const differences = world.shards.flatMap((shard) => world.tables.flatMap((spec) => differencesOf(world, shard, spec, moments)));
  if (differences.length > 0) throw new SimulationFailure("data", `${when}: ${differences.join("; ")}`);
}

/**
 * Fails where what a shard has committed is not what its progress says: each table is to be as the source shards were at
 * the positions applied, or at the table's snapshots while those are newer. Tables that were completed from a later state
 * of a source may differ until the stream is there, and so may rows on their way from one source shard to another.
 */
export function checkCommit(world: World, shard: SimulatedShard): void {
  const { applied, snapshots, keyed } = shard.data;
  for (const spec of world.tables) {
    if (!keyed.has(spec.oid)) continue;
    const moments = world.sources.map((server, source): SourceMoment | undefined => {
      if (!isTaken(spec.oid, source)) return { position: 0n, state: server.stateAt(0n) };
      const position = maxLsn(snapshots.get(`${source}.${spec.oid}`)!, applied.get(source) ?? 0n);
      return position < (shard.completedFrom.get(`${source}.${spec.oid}`) ?? 0n) ? undefined : { position, state: server.stateAt(position) };
    });
    if (moments.includes(undefined)) continue;
    const differences = differencesOf(world, shard, spec, moments as SourceMoment[]);
    if (differences.length === 0) continue;
    throw new SimulationFailure("data", `committed with applied ${[...applied].map(([source, position]) => `${source} ${position}`).join(", ")}, snapshots ${[...snapshots].map(([table, position]) => `${table} ${position}`).join(", ")}: ${differences.join("; ")}`);
  }
}

/** What of a table is not as the source shards had it; rows on the move between them aside. */
function differencesOf(world: World, shard: SimulatedShard, spec: TableSpec, moments: readonly SourceMoment[]): string[] {
  const differences: string[] = [];
  const there = shard.data.tables.get(spec.oid)!;
  const expected = new Map<string, Row>();
  moments.forEach(({ state }, source) => {
    if (!isTaken(spec.oid, source)) return;
    for (const [key, row] of state.get(spec.oid)!) if (world.isAt(spec.oid, row, shard.number) && !isOnTheMove(world, spec, key, moments)) expected.set(key, row);
  });
  let found = 0;
  for (const [key, row] of expected) {
    const copy = there.get(key);
    if (copy === undefined) differences.push(`shard ${shard.number} lacks ${spec.name} ${row.join(" ")}`);
    else {
      found++;
      if (copy.some((value, column) => value !== row[column])) differences.push(`shard ${shard.number} has ${spec.name} ${copy.join(" ")} instead of ${row.join(" ")}`);
    }
  }
  if (found === there.size) return differences;
  for (const [key, row] of there) {
    if (!expected.has(key) && !isOnTheMove(world, spec, key, moments)) differences.push(`shard ${shard.number} has ${spec.name} ${row.join(" ")}, which does not belong there`);
  }
  return differences;
}

/**
 * Whether the shards may differ from the positions for a key, as rows of it moved between source shards since: streams see
 * where a row is by now, and leave to one another what will come of it. A row that stayed, or none, is not on the move
 * where all other source shards' rows of the key are gone for the streams too.
 */
function isOnTheMove(world: World, { oid }: TableSpec, key: string, moments: readonly SourceMoment[]): boolean {
  if (!movesBetweenSources(oid, world.sources.length) || world.sources.filter((source) => source.everHad(oid, key)).length < 2) return false;
  const since = world.sources.map((source, index) => source.keySince(oid, key, moments[index]!.position)).filter(({ ever }) => ever);
  return since.length > 1 || since.some(({ then, always }) => then && !always);
}

/** Whether rows belong on shards; a row is asked about many times. */
export function placement(shards: number): World["isAt"] {
  const homes = new WeakMap<Row, number>();
  return (oid, row, shard) => {
    let home = homes.get(row);
    if (home === undefined) {
      home = homeOf(oid, row, shards);
      homes.set(row, home);
    }
    return home === shard || home === EVERY_SHARD;
  };
}
