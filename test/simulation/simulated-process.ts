import type { TableSpec } from "../support/changes.js";
import { routeOf } from "../support/changes-tables.js";
import { CopyRun, isCopied } from "./copy-run.js";
import { StreamRun, type StreamUntil } from "./stream-run.js";
import { checkShards, union, type World } from "./world.js";

/** Why streaming was asked to stop. */
type Intent = "go-on" | "exit" | "verify";

/**
 * One process of the migration, from its start to its end or death: makes the slot, copies what is missing, streams.
 * `advance` does what comes next where something has ended; everything else is set off by the scheduler.
 */
export class SimulatedProcess {
  readonly copies: CopyRun[] = [];
  streams: StreamRun[] = [];
  /** Ended by itself. */
  exited = false;
  #phase: "copy" | "stream" | "verify" = "copy";
  readonly #world: World;
  readonly #toCopy: { readonly source: number; readonly spec: TableSpec }[] = [];
  #intent: Intent = "go-on";
  #until: readonly StreamUntil[] | undefined;

  constructor(world: World) {
    this.#world = world;
    for (const shard of world.shards) if (world.parts.fences) shard.fence();
    if (world.parts.slotFirst) this.#ensureSlots();
    world.sources.forEach((_, source) => {
      for (const spec of world.tables) {
        if (source > 0 && routeOf(spec.oid, world.shards.length).kind === "omnisharded") continue;
        if (world.shards.some(({ number }) => !isCopied(world, source, spec, number))) this.#toCopy.push({ source, spec });
      }
    });
  }

  /** Does what comes next; false where nothing has to be begun now. */
  advance(): boolean {
    if (this.exited) return false;
    if (this.#phase === "copy") return this.#copyNext();
    return this.#streamNext();
  }

  /** Streaming, with no intent to stop. */
  get streaming(): boolean {
    return this.#phase === "stream" && this.#intent === "go-on" && this.streams.length > 0 && this.streams.every(({ state }) => state === "running");
  }

  stop(intent: Intent): void {
    this.#world.note(() => `stop to ${intent}`);
    this.#intent = intent;
    for (const stream of this.streams) stream.connection.stop();
  }

  /** A source shard died: snapshots that it had exported are gone. */
  sourceCrashed(source: number): void {
    this.#until = undefined;
    if (this.#phase === "verify") this.#phase = "stream";
    for (const stream of this.streams) stream.connection.fail();
    for (const copy of this.copies) if (copy.source === source) copy.sessions.find((session) => session !== undefined)?.fail();
  }

  shardCrashed(shard: number): void {
    for (const { sessions } of [...this.copies, ...this.streams]) sessions[shard]?.fail();
  }

  /** Killed: everything in memory is gone. */
  kill(): void {
    for (const running of [...this.copies, ...this.streams]) running.close();
  }

  #copyNext(): boolean {
    const ended = this.copies.findIndex(({ state }) => state !== "running");
    if (ended >= 0) {
      const [{ state, error, source, spec }] = this.copies.splice(ended, 1) as [CopyRun];
      if (error !== undefined) throw error as Error;
      // Again, on the shards that lack it by then.
      if (state === "failed") this.#toCopy.push({ source, spec });
      return true;
    }
    if (this.copies.length >= this.#world.settings.parallelCopies) return false;
    const next = this.#toCopy.shift();
    if (next !== undefined) this.copies.push(new CopyRun(this.#world, next.source, next.spec));
    else if (this.copies.length > 0) return false;
    else {
      this.#ensureSlots();
      this.#phase = "stream";
    }
    return true;
  }

  #streamNext(): boolean {
    const failed = this.streams.find(({ error }) => error !== undefined);
    if (failed !== undefined) throw failed.error as Error;
    if (this.streams.some(({ state }) => state === "failed")) {
      // Begun again, to the same end; an operator's stop ends it.
      for (const stream of this.streams) stream.close();
      if (this.#intent === "exit") this.#exit();
      else this.#begin();
      return true;
    }
    if (this.streams.some(({ state }) => state === "running")) return false;
    if (this.streams.length > 0 && this.#phase === "verify") {
      checkShards(this.#world, union(this.#world, this.#until!.map(({ state }) => state)), `verified at ${this.#until!.map(({ position }) => position).join(" ")}`);
      this.#until = undefined;
      this.#phase = "stream";
    } else if (this.#intent === "exit") {
      this.#exit();
      return true;
    } else if (this.#intent === "verify") {
      this.#until = this.#world.sources.map((source) => source.snapshot());
      this.#phase = "verify";
    }
    this.#begin();
    return true;
  }

  #begin(): void {
    this.#intent = "go-on";
    this.streams = this.#world.sources.map((_, source) => new StreamRun(this.#world, source, this.#until?.[source]));
  }

  #exit(): void {
    this.#world.note(() => "exit");
    this.exited = true;
  }

  #ensureSlots(): void {
    for (const source of this.#world.sources) if (source.confirmed === undefined) source.createSlot();
  }
}

