import { isRetryable } from "../../src/postgres/server-errors.js";
import { keyOnTwoShards } from "../../src/sinks/apply-owned-step.js";
import type { TableSpec } from "../support/changes.js";
import type { SimulatedShard } from "./simulated-shard.js";
import { ConnectionLost, type Steps } from "./stepped-sink.js";
import { sourceOf } from "./tables.js";
import type { World } from "./world.js";

/** One attempt to build a table's primary key on the shards that lack it, as `buildKeys` makes it. */
export class KeyRun {
  readonly spec: TableSpec;
  readonly sessions: readonly (KeySession | undefined)[];

  constructor(world: World, spec: TableSpec) {
    this.spec = spec;
    this.sessions = world.shards.map((shard) => (shard.data.keyed.has(spec.oid) ? undefined : new KeySession(buildKey(world, shard, spec))));
  }

  get state(): "running" | "failed" | "ended" {
    if (this.sessions.some((session) => session?.state === "running")) return "running";
    return this.sessions.some((session) => session?.state === "failed") ? "failed" : "ended";
  }
}

class KeySession {
  state: "running" | "failed" | "ended" = "running";
  readonly #steps: Steps<void>;

  constructor(steps: Steps<void>) {
    this.#steps = steps;
  }

  get ready(): boolean {
    return this.state === "running";
  }

  step(): void {
    try {
      if (this.#steps.next().done === true) this.state = "ended";
    } catch (error) {
      if (!isRetryable(error)) throw error;
      this.state = "failed";
    }
  }

  fail(): void {
    if (this.state === "running") this.state = "failed";
  }
}

/** As `removeDuplicates` does it, should the key not be built without. */
function* buildKey(world: World, shard: SimulatedShard, spec: TableSpec): Steps<void> {
  yield;
  const gone: string[] = [];
  const lives = world.sources.map(({ life }) => life);
  for (const [key, copies] of shard.copied(spec.oid)) {
    if (copies.length === 1) continue;
    const there: boolean[] = [];
    for (const { row } of copies) {
      yield;
      const source = world.sources[sourceOf(spec.oid, row, world.sources.length)]!;
      if (source.life !== lives[source.number]) throw new ConnectionLost(`the connection to source ${source.number}`);
      there.push(source.visible.get(spec.oid)!.has(key));
    }
    const stays = world.parts.keptDuplicate(there);
    world.note(() => `copies of ${spec.name} ${key} on shard ${shard.number}: ${copies.map(({ row }, index) => `${row.join(" ")}${there[index]! ? " (there)" : ""}${index === stays ? " stays" : ""}`).join(", ")}`);
    if (stays === undefined) throw keyOnTwoShards({ schema: "public", name: spec.name }, []);
    gone.push(...copies.flatMap(({ name }, index) => (index === stays ? [] : [name])));
  }
  if (gone.length > 0) {
    yield;
    shard.removeCopies(spec.oid, gone);
  }
  yield;
  shard.buildKey(spec.oid);
}
