import type { Random } from "../../src/demo/random.js";
import { maxLsn } from "../../src/postgres/lsn.js";
import { EVERY_SHARD } from "../../src/sharding/table-route.js";
import type { Row, TableSpec } from "../support/changes.js";
import type { State } from "../support/changes-history.js";
import { homeOf, routeOf } from "../support/changes-tables.js";
import { SimulationFailure } from "./failure.js";
import type { Parts } from "./parts.js";
import type { SimulatedShard } from "./simulated-shard.js";
import type { SimulatedSource } from "./simulated-source.js";

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

/** What the source shards hold together, given what each of them holds. */
export function union(world: World, states: readonly State[]): State {
  return states.length === 1 ? states[0]! : new Map(world.tables.map(({ oid }) => [oid, new Map(states.flatMap((state, source) => [...rowsFrom(world, source, oid, state)]))]));
}

/** The rows of a table that are taken from a source shard. */
function rowsFrom(world: World, source: number, oid: number, state: State): ReadonlyMap<string, Row> {
  const everywhere = routeOf(oid, world.shards.length).kind === "omnisharded";
  return everywhere && source > 0 ? new Map() : state.get(oid)!;
}

/** Fails where a shard holds other rows than its share of a state. */
export function checkShards(world: World, expected: State, when: string): void {
  const differences = world.shards.flatMap((shard) => world.tables.flatMap((spec) => differencesOf(world, shard, spec, expected.get(spec.oid)!)));
  if (differences.length > 0) throw new SimulationFailure("data", `${when}: ${differences.join("; ")}`);
}

/**
 * Fails where what a shard has committed is not what its progress says: each table is to be as the source was at the
 * position applied, or at the table's snapshot while that is newer. Tables that were completed from a later state of the
 * source may differ until the stream is there.
 */
export function checkCommit(world: World, shard: SimulatedShard): void {
  const { applied, snapshots } = shard.data;
  for (const spec of world.tables) {
    const states: State[] = [];
    for (const [source, server] of world.sources.entries()) {
      const snapshot = snapshots.get(`${source}.${spec.oid}`);
      if (snapshot === undefined) break;
      const position = maxLsn(snapshot, applied.get(source) ?? 0n);
      if (position < (shard.completedFrom.get(`${source}.${spec.oid}`) ?? 0n)) break;
      states.push(server.stateAt(position));
    }
    if (states.length < world.sources.length) continue;
    const differences = differencesOf(world, shard, spec, union(world, states).get(spec.oid)!);
    if (differences.length === 0) continue;
    throw new SimulationFailure("data", `committed with applied ${[...applied.values()].join(" ")}, snapshots ${[...snapshots].map(([table, position]) => `${table} ${position}`).join(", ")}: ${differences.join("; ")}`);
  }
}

function differencesOf(world: World, shard: SimulatedShard, spec: TableSpec, expected: ReadonlyMap<string, Row>): string[] {
  const differences: string[] = [];
  const there = shard.data.tables.get(spec.oid)!;
  let found = 0;
  for (const [key, row] of expected) {
    if (!world.isAt(spec.oid, row, shard.number)) continue;
    const copy = there.get(key);
    if (copy === undefined) differences.push(`shard ${shard.number} lacks ${spec.name} ${row.join(" ")}`);
    else {
      found++;
      if (copy.some((value, column) => value !== row[column])) differences.push(`shard ${shard.number} has ${spec.name} ${copy.join(" ")} instead of ${row.join(" ")}`);
    }
  }
  if (found === there.size) return differences;
  for (const [key, row] of there) {
    const wanted = expected.get(key);
    if (wanted === undefined || !world.isAt(spec.oid, wanted, shard.number)) differences.push(`shard ${shard.number} has ${spec.name} ${row.join(" ")}, which does not belong there`);
  }
  return differences;
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
