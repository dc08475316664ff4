import type { TableSpec } from "../support/changes.js";
import { CopyRun, isCopied } from "./copy-run.js";
import { KeyRun } from "./key-run.js";
import { StreamRun, type StreamUntil } from "./stream-run.js";
import { isTaken } from "./tables.js";
import { checkShards, type World } from "./world.js";

/** Why streaming was asked to stop. */
type Intent = "go-on" | "exit" | "verify";

/** Work in sessions with shards, by the shard's number; what they do goes on step by step. */
interface Running {
  readonly sessions: readonly ({ readonly ready: boolean; step(): void; fail(): void } | undefined)[];
}

/**
 * One process of the migration, from its start to its end or death: makes the slots, copies what is missing, builds keys,
 * streams. `advance` does what comes next where something has ended; everything else is set off by the scheduler.
 */
export class SimulatedProcess {
  /** By the source shard's number. */
  streams: StreamRun[] = [];
  /** Ended by itself. */
  exited = false;
  #copies: CopyRun[] = [];
  #keys: KeyRun[] = [];
  #phase: "copy" | "keys" | "stream" | "verify" = "copy";
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
        if (isTaken(spec.oid, source) && world.shards.some(({ number }) => !isCopied(world, source, spec, number))) this.#toCopy.push({ source, spec });
      }
    });
  }

  get running(): readonly Running[] {
    return [...this.#copies, ...this.#keys, ...this.streams];
  }

  /** Does what comes next; false where nothing has to be begun now. */
  advance(): boolean {
    if (this.exited) return false;
    switch (this.#phase) {
      case "copy":
        return this.#copyNext();
      case "keys":
        return this.#buildNext();
      default:
        return this.#streamNext();
    }
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
    for (const copy of this.#copies) if (copy.source === source) copy.sessions.find((session) => session !== undefined)?.fail();
    this.streams[source]?.connection.fail();
    if (this.#until === undefined) return;
    this.#until = undefined;
    this.#phase = "stream";
    this.#begin();
  }

  shardCrashed(shard: number): void {
    for (const { sessions } of this.running) sessions[shard]?.fail();
  }

  /** Killed: everything in memory is gone. */
  kill(): void {
    for (const running of [...this.#copies, ...this.streams]) running.close();
  }

  #copyNext(): boolean {
    const ended = this.#copies.findIndex(({ state }) => state !== "running");
    if (ended >= 0) {
      const [{ state, error, source, spec }] = this.#copies.splice(ended, 1) as [CopyRun];
      if (error !== undefined) throw error as Error;
      // Again, on the shards that lack it by then.
      if (state === "failed") this.#toCopy.push({ source, spec });
      return true;
    }
    if (this.#copies.length >= this.#world.settings.parallelCopies) return false;
    const next = this.#toCopy.shift();
    if (next !== undefined) this.#copies.push(new CopyRun(this.#world, next.source, next.spec));
    else if (this.#copies.length > 0) return false;
    else {
      this.#phase = "keys";
      this.#keys = this.#world.tables.map((spec) => new KeyRun(this.#world, spec));
    }
    return true;
  }

  #buildNext(): boolean {
    const failed = this.#keys.findIndex(({ state }) => state === "failed");
    if (failed >= 0) {
      this.#keys[failed] = new KeyRun(this.#world, this.#keys[failed]!.spec);
      return true;
    }
    if (this.#keys.some(({ state }) => state === "running")) return false;
    this.#keys = [];
    this.#ensureSlots();
    this.#phase = "stream";
    return true;
  }

  #streamNext(): boolean {
    const broken = this.streams.find(({ error }) => error !== undefined);
    if (broken !== undefined) throw broken.error as Error;
    // Begun again, to the same end; but not where it was to stop.
    const failed = this.#intent === "go-on" ? this.streams.findIndex(({ state }) => state === "failed") : -1;
    if (failed >= 0) {
      this.#restart(failed);
      return true;
    }
    if (this.streams.some(({ state }) => state === "running")) return false;
    if (this.#intent === "exit") {
      this.#world.note(() => "exit");
      this.exited = true;
      return true;
    }
    if (this.streams.length > 0 && this.#phase === "verify") {
      checkShards(this.#world, this.#until!, `verified at ${this.#until!.map(({ position }) => position).join(" ")}`);
      this.#until = undefined;
      this.#phase = "stream";
    } else if (this.#intent === "verify") {
      this.#until = this.#world.sources.map((source) => source.snapshot());
      this.#phase = "verify";
    }
    this.#begin();
    return true;
  }

  #begin(): void {
    this.#intent = "go-on";
    this.#world.sources.forEach((_, source) => { this.#restart(source); });
  }

  #restart(source: number): void {
    this.streams[source]?.close();
    this.streams[source] = new StreamRun(this.#world, source, this.#until?.[source]);
  }

  #ensureSlots(): void {
    for (const source of this.#world.sources) if (source.confirmed === undefined) source.createSlot();
  }
}
