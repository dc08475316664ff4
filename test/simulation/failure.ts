/** What the simulation found wrong: a difference between source and shards, or that nothing moves on. */
export class SimulationFailure extends Error {
  readonly kind: "data" | "stall";

  constructor(kind: SimulationFailure["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}
