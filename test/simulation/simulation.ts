import { type Random, seededRandom } from "../../src/demo/random.js";
import { TABLES } from "../support/changes-tables.js";
import { SimulationFailure } from "./failure.js";
import { MovingRows } from "./moving-rows.js";
import { type Parts, REAL } from "./parts.js";
import { SimulatedProcess } from "./simulated-process.js";
import { SimulatedShard } from "./simulated-shard.js";
import { SimulatedSource } from "./simulated-source.js";
import { checkCommit, checkShards, placement, presentOf, type World } from "./world.js";
import { type Application, finishMoving, writeTransaction } from "./write-transaction.js";

/** Something that may happen next; `attempt` is false where it cannot now. */
interface Event {
  readonly weight: number;
  readonly attempt: () => boolean;
}

/** Steps in which everything must have arrived once no more trouble comes; what is usual is some hundreds, more where something that is waited for happens seldom. */
const SETTLING_STEPS = 100_000;

/**
 * Runs one migration to its end, all that happens and in which order chosen by the seed; nothing of it takes time. Where
 * `trace` is given, what happens is written there.
 * @throws SimulationFailure where a shard is not what it should be, or not everything arrives
 */
export function simulate(seed: number, parts: Parts = REAL, trace?: string[]): void {
  new Simulation(seed, parts, trace).run();
}

/** One to three source shards, each with its slot, copies, stream and progress. */
class Simulation {
  readonly #world: World;
  readonly #application: Application;
  readonly #random: Random;
  #process: SimulatedProcess | undefined;
  #transactions: number;
  #troubles: number;
  #verifications: number;
  /** The next trouble comes soon. */
  #aftershock = false;

  constructor(seed: number, parts: Parts, trace: string[] | undefined) {
    const random = seededRandom(seed);
    this.#random = random;
    this.#transactions = random.integer(3, 40);
    this.#troubles = random.integer(0, 1) * random.integer(1, 8);
    this.#verifications = random.integer(0, 2);
    const shards = random.integer(1, 4);
    const sources = random.pick([1, 1, 2, 2, 3]);
    const world: World = {
      random,
      parts,
      settings: { windowBytes: random.pick([100, 1000, 100_000]), batchBytes: random.pick([100, 300, 1000, 100_000]), parallelCopies: random.integer(1, 3), copyRows: random.integer(1, 4) },
      tables: someOf(random, TABLES),
      sources: Array.from({ length: sources }, (_, number) => new SimulatedSource(number, random, random.integer(0, 2) > 0)),
      shards: Array.from({ length: shards }, (_, number) => new SimulatedShard(number, random, (shard) => { checkCommit(world, shard); })),
      isAt: placement(shards),
      note: (words) => trace?.push(words()),
    };
    this.#world = world;
    this.#application = { sources: world.sources, tables: world.tables, random, moving: new MovingRows(), restlessness: random.pick([0, 15, 50]) };
  }

  run(): void {
    for (let before = this.#random.integer(0, 10); before > 0; before--) this.#write();
    const events = this.#events();
    let settling = 0;
    while (!this.#settled()) {
      if (this.#written && this.#troubles === 0 && ++settling > SETTLING_STEPS) throw new SimulationFailure("stall", this.#standing());
      this.#happen(events);
    }
    checkShards(this.#world, this.#world.sources.map(presentOf), "at the end");
  }

  /** One event that can happen now, by the weights. */
  #happen(events: readonly Event[]): void {
    const impossible = new Set<Event>();
    while (impossible.size < events.length) {
      const event = this.#choose(events, impossible);
      if (event.attempt()) return;
      impossible.add(event);
    }
    throw new SimulationFailure("stall", this.#standing());
  }

  #choose(events: readonly Event[], impossible: ReadonlySet<Event>): Event {
    let weight = 0;
    for (const event of events) if (!impossible.has(event)) weight += event.weight;
    let place = this.#random.fraction() * weight;
    let last: Event | undefined;
    for (const event of events) {
      if (impossible.has(event)) continue;
      last = event;
      place -= event.weight;
      if (place < 0) break;
    }
    return last!;
  }

  #events(): Event[] {
    const { shards, sources } = this.#world;
    // Each simulation has its own pace for everything: one shard may lag far behind, feedback come late.
    const event = (weight: number, attempt: () => boolean): Event => ({ weight: weight * this.#random.pick([0.1, 1, 1, 5]), attempt });
    const connection = (source: number): SimulatedProcess["streams"][number]["connection"] | undefined => this.#process?.streams[source]?.connection;
    return [
      event(3, () => this.#write()),
      event(1, () => this.#writeElsewhere()),
      event(3, () => this.#advance()),
      event(0.3, () => this.#stop()),
      event(0.6, () => this.#trouble()),
      event(2, () => this.#aftershock && this.#trouble()),
      ...shards.map(({ number }) => event(20, () => this.#step(number))),
      ...sources.flatMap((source, index) => [
        event(8, () => connection(index)?.deliver(this.#random.integer(1, 12)) ?? false),
        event(2, () => connection(index)?.keepalive() ?? false),
        event(6, () => connection(index)?.react() ?? false),
        event(2, () => this.#feedback(index)),
        event(0.5, () => source.checkpoint()),
        event(1, () => source.show()),
      ]),
      ...shards.map((shard) => event(0.2, () => shard.flush())),
    ];
  }

  #write(): boolean {
    if (this.#written) return false;
    const words = this.#transactions > 0 ? writeTransaction(this.#random.pick(this.#world.sources), this.#application) : finishMoving(this.#world.sources[this.#unfinished!]!, this.#application);
    if (this.#transactions > 0) this.#transactions--;
    if (words !== undefined) this.#world.note(() => words);
    return true;
  }

  /** The sources write nothing more. */
  get #written(): boolean {
    return this.#transactions === 0 && this.#unfinished === undefined;
  }

  get #unfinished(): number | undefined {
    return this.#application.moving.unfinishedAt(this.#world.sources);
  }

  #writeElsewhere(): boolean {
    if (this.#transactions === 0) return false;
    this.#random.pick(this.#world.sources).writeElsewhere();
    return true;
  }

  #advance(): boolean {
    if (this.#process === undefined || this.#process.exited) {
      this.#world.note(() => "start");
      this.#process = new SimulatedProcess(this.#world);
      return true;
    }
    return this.#process.advance();
  }

  #step(shard: number): boolean {
    const ready: { step(): void }[] = [];
    for (const { sessions } of this.#process?.running ?? []) if (sessions[shard]?.ready === true) ready.push(sessions[shard]);
    if (ready.length === 0) return false;
    this.#random.pick(ready).step();
    return true;
  }

  #feedback(source: number): boolean {
    const before = this.#world.sources[source]!.confirmed;
    if (this.#process?.streams[source]?.connection.feedback() !== true || this.#world.sources[source]!.confirmed === before) return false;
    this.#world.note(() => `confirmed ${this.#world.sources.length === 1 ? "" : `by source ${source} `}${this.#world.sources[source]!.confirmed}`);
    return true;
  }

  #stop(): boolean {
    if (this.#verifications === 0 || this.#process?.streaming !== true) return false;
    this.#verifications--;
    this.#process.stop(this.#random.integer(0, 2) === 0 ? "exit" : "verify");
    return true;
  }

  #trouble(): boolean {
    if (this.#troubles === 0 || this.#process === undefined) return false;
    this.#troubles--;
    this.#aftershock = this.#random.integer(0, 2) === 0;
    const shard = this.#random.integer(0, this.#world.shards.length - 1);
    const source = this.#random.integer(0, this.#world.sources.length - 1);
    switch (this.#random.integer(1, 8)) {
      case 1:
      case 2:
      case 3:
        this.#world.note(() => "the process is killed");
        this.#process.kill();
        this.#process = undefined;
        break;
      case 4:
        this.#world.note(() => `the sessions on shard ${shard} break`);
        this.#process.shardCrashed(shard);
        break;
      case 5:
      case 6:
        this.#world.note(() => `the server of shard ${shard} crashes`);
        this.#process.shardCrashed(shard);
        this.#world.shards[shard]!.crash();
        break;
      case 7:
        this.#world.note(() => `the replication stream of source ${source} breaks`);
        this.#process.streams[source]?.connection.fail();
        break;
      case 8:
        this.#world.note(() => `source ${source} crashes`);
        this.#world.sources[source]!.crash();
        this.#process.sourceCrashed(source);
        break;
    }
    return true;
  }

  /** Nothing more comes, and the slots are acknowledged up to the end of the WAL. */
  #settled(): boolean {
    return this.#written && this.#troubles === 0 && this.#process?.streaming === true && this.#world.sources.every(({ confirmed, position }) => confirmed !== undefined && confirmed >= position);
  }

  #standing(): string {
    return `nothing moves on: ${this.#world.sources.map(({ confirmed, position }) => `the slot stands at ${confirmed} of ${position}`).join("; ")}`;
  }
}

function someOf<T>(random: Random, items: readonly T[]): T[] {
  const some = items.filter(() => random.integer(0, 2) === 0);
  return some.length > 0 ? some : [random.pick(items)];
}
