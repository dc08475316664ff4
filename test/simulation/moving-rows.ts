import type { Row, TableSpec } from "../support/changes.js";
import type { SimulatedSource } from "./simulated-source.js";

interface Arrival {
  readonly source: number;
  readonly spec: TableSpec;
  readonly row: Row;
}

interface Double {
  readonly spec: TableSpec;
  readonly key: string;
}

/** Rows half-way between two source shards: gone from the one and not yet on the other, or on both. */
export class MovingRows {
  #arrivals: Arrival[] = [];
  #doubles: Double[] = [];

  send(arrival: Arrival): void {
    this.#arrivals.push(arrival);
  }

  double(spec: TableSpec, key: string): void {
    this.#doubles.push({ spec, key });
  }

  /** Takes rows that are to be put in on a source shard. */
  arrivalsAt(source: number, chosen: () => boolean): Arrival[] {
    const taken = this.#arrivals.filter((arrival) => arrival.source === source && chosen());
    this.#arrivals = this.#arrivals.filter((arrival) => !taken.includes(arrival));
    return taken;
  }

  /** Keys that are on several source shards; one at a time may let go. */
  doubled(sources: readonly SimulatedSource[]): Double[] {
    this.#doubles = this.#doubles.filter(({ spec, key }) => sources.filter(({ tables }) => tables.get(spec.oid)!.has(key)).length > 1);
    return [...this.#doubles];
  }

  /** A source shard that has something to finish. */
  unfinishedAt(sources: readonly SimulatedSource[]): number | undefined {
    const [double] = this.doubled(sources);
    return this.#arrivals[0]?.source ?? (double && sources.find(({ tables }) => tables.get(double.spec.oid)!.has(double.key))!.number);
  }
}
