import fc from "fast-check";
import { anyChange, type Change, changeText, deletion, insert, keyChange, ownerChange, statementsOf, truncation, update } from "./changes.js";
import type { Rows } from "./rows.js";
import type { World } from "./world.js";
import { reachedWithin } from "./until.js";

/** What the commands know without asking a server. */
export interface Model {
  readonly rows: Rows;
  running: boolean;
  readonly processes: boolean;
  added: number;
}

/** A piece of a transaction; with a savepoint that it may be rolled back to. */
interface Step {
  readonly changes: readonly Change[];
  readonly savepoint?: "released" | "rolled back" | undefined;
}

abstract class Command implements fc.AsyncCommand<Model, World> {
  abstract check(model: Readonly<Model>): boolean;

  async run(model: Model, world: World): Promise<void> {
    world.note(this.toString());
    world.supervisor.check();
    await this.perform(model, world);
  }

  protected abstract perform(model: Model, world: World): Promise<void>;
  abstract toString(): string;
}

async function writeEach(changes: readonly Change[], { rows }: Model, world: World): Promise<void> {
  for (const change of changes) for (const statement of statementsOf(rows, change)) await world.write(statement);
}

/** Changes, each statement a transaction of its own. */
class Write extends Command {
  constructor(readonly changes: readonly Change[]) {
    super();
  }

  override check(): boolean {
    return true;
  }

  protected override async perform(model: Model, world: World): Promise<void> {
    await writeEach(this.changes, model, world);
  }

  toString(): string {
    return `write [${this.changes.map(changeText).join(", ")}]`;
  }
}

/** Changes to many tables, in one transaction on each shard of the source. */
class Transact extends Command {
  constructor(readonly steps: readonly Step[], readonly commits: boolean, readonly lastShardFirst: boolean) {
    super();
  }

  override check(): boolean {
    return true;
  }

  protected override async perform(model: Model, world: World): Promise<void> {
    const restore = model.rows.save();
    const order = world.sources.map((_, source) => source);
    await world.everywhere("BEGIN");
    for (const { changes, savepoint } of this.steps) {
      const rollback = model.rows.save();
      if (savepoint !== undefined) await world.everywhere("SAVEPOINT s");
      await writeEach(changes, model, world);
      if (savepoint === "released") await world.everywhere("RELEASE s");
      if (savepoint === "rolled back") {
        await world.everywhere("ROLLBACK TO s");
        rollback();
      }
    }
    await world.everywhere(this.commits ? "COMMIT" : "ROLLBACK", this.lastShardFirst ? order.reverse() : order);
    if (!this.commits) restore();
  }

  toString(): string {
    const steps = this.steps.map(({ changes, savepoint }) => `${savepoint === undefined ? "" : `savepoint ${savepoint} `}[${changes.map(changeText).join(", ")}]`);
    return `transaction ${this.commits ? "committed" : "rolled back"}${this.lastShardFirst ? " last shard first" : ""}: ${steps.join(" ")}`;
  }
}

class Start extends Command {
  override check({ running }: Model): boolean {
    return !running;
  }

  protected override async perform(model: Model, world: World): Promise<void> {
    world.supervisor.start();
    model.running = true;
    await Promise.resolve();
  }

  toString(): string {
    return "start";
  }
}

class Stop extends Command {
  override check({ running }: Model): boolean {
    return running;
  }

  protected override async perform(model: Model, world: World): Promise<void> {
    await world.supervisor.stop();
    model.running = false;
  }

  toString(): string {
    return "stop";
  }
}

/** The process is killed and started again. */
class Kill extends Command {
  override check({ running, processes }: Model): boolean {
    return running && processes;
  }

  protected override async perform(_: Model, world: World): Promise<void> {
    await world.supervisor.kill();
    world.supervisor.start();
  }

  toString(): string {
    return "kill and start again";
  }
}

/** Sessions with one server are ended. */
class Disconnect extends Command {
  constructor(readonly place: number) {
    super();
  }

  override check({ running }: Model): boolean {
    return running;
  }

  protected override async perform(_: Model, world: World): Promise<void> {
    const places = [...world.sources, ...world.shards];
    await world.disconnect(places[this.place % places.length]!);
  }

  toString(): string {
    return `disconnect ${this.place}`;
  }
}

/** Lets the run go on for a while. */
class Listen extends Command {
  constructor(readonly events: number) {
    super();
  }

  override check({ running }: Model): boolean {
    return running;
  }

  protected override async perform(_: Model, world: World): Promise<void> {
    await world.supervisor.hear(this.events);
  }

  toString(): string {
    return `listen to ${this.events} events`;
  }
}

/** Nobody writes until everything has arrived. */
class Idle extends Command {
  override check({ running }: Model): boolean {
    return running;
  }

  protected override async perform(_: Model, world: World): Promise<void> {
    await world.supervisor.streams();
    await world.arrival();
  }

  toString(): string {
    return "idle";
  }
}

/** How long something that may not happen is waited for. */
const A_WHILE_MILLISECONDS = 100;

/** To a process that may have ended meanwhile. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Changes while nothing of one source shard's comes: its stream falls behind the others. */
class WriteWhileLagging extends Command {
  constructor(readonly source: number, readonly changes: readonly Change[], readonly after: readonly Change[]) {
    super();
  }

  override check(): boolean {
    return true;
  }

  protected override async perform(model: Model, world: World): Promise<void> {
    const pid = await world.walSender(this.source % world.sources.length);
    if (pid !== undefined) signal(pid, "SIGSTOP");
    try {
      await writeEach(this.changes, model, world);
      // The others come that far; where the source has one shard nothing does.
      if (pid !== undefined && world.sources.length > 1) await reachedWithin(A_WHILE_MILLISECONDS, () => false);
    } finally {
      if (pid !== undefined) signal(pid, "SIGCONT");
    }
    await writeEach(this.after, model, world);
  }

  toString(): string {
    return `while source shard ${this.source} lags ${new Write(this.changes).toString()}, then ${new Write(this.after).toString()}`;
  }
}

/** Changes while nothing can be written to a table of one shard; perhaps the sessions that wait for it are ended. */
class WriteWhileLocked extends Command {
  constructor(readonly shard: number, readonly table: number, readonly changes: readonly Change[], readonly ended: boolean) {
    super();
  }

  override check(): boolean {
    return true;
  }

  protected override async perform(model: Model, world: World): Promise<void> {
    const shard = world.shards[this.shard % world.shards.length]!;
    const { name } = world.shape.tables[this.table % world.shape.tables.length]!;
    const blocker = await shard.cluster.connect(shard.database);
    try {
      const { rows } = await blocker.query<{ exists: boolean }>("SELECT to_regclass($1) IS NOT NULL AS exists", [name]);
      await blocker.query(`BEGIN; ${rows[0]!.exists ? `LOCK TABLE ${name} IN EXCLUSIVE MODE` : ""}`);
      await writeEach(this.changes, model, world);
      const blocked = model.running && (await reachedWithin(A_WHILE_MILLISECONDS, () => world.isBlocked(shard)));
      if (this.ended && blocked) await world.disconnect(shard);
    } finally {
      await blocker.query("COMMIT");
      await blocker.end();
    }
  }

  toString(): string {
    return `while table ${this.table} of shard ${this.shard} is locked${this.ended ? ", until its sessions are ended," : ""} ${new Write(this.changes).toString()}`;
  }
}

/** A column is added to the shards, then to the source, while the run is stopped. */
class AddColumn extends Command {
  constructor(readonly table: number, readonly hasDefault: boolean) {
    super();
  }

  override check(): boolean {
    return true;
  }

  protected override async perform(model: Model, world: World): Promise<void> {
    const state = model.rows.tables[this.table % model.rows.tables.length]!;
    const column = `added_${++model.added}`;
    if (model.running) await world.supervisor.stop();
    await world.addColumn(state.table.name, `${column} text${this.hasDefault ? ` DEFAULT 'default ${model.added}'` : ""}`);
    state.texts.push(column);
    if (model.running) world.supervisor.start();
  }

  toString(): string {
    return `add a column to table ${this.table}${this.hasDefault ? " with a default" : ""}`;
  }
}

const changes = (least: number, most: number): fc.Arbitrary<Change[]> => fc.array(anyChange, { minLength: least, maxLength: most, size: "max" });
const one = (change: fc.Arbitrary<Change>): fc.Arbitrary<Command> => change.map((only) => new Write([only]));
const steps = fc.array(fc.record<Step>({ changes: changes(1, 8), savepoint: fc.constantFrom(undefined, undefined, "released", "rolled back") }), { minLength: 1, maxLength: 4, size: "max" });
const place = fc.nat(11);

/** A kind that is there more than once comes more often. */
export const commandKinds: fc.Arbitrary<Command>[] = [
  one(insert), one(update), one(keyChange), one(ownerChange), one(deletion), one(truncation),
  ...Array.from({ length: 3 }, () => changes(2, 20).map((several) => new Write(several))),
  ...Array.from({ length: 3 }, () => fc.tuple(steps, fc.nat(3), fc.boolean()).map(([all, end, lastShardFirst]) => new Transact(all, end > 0, lastShardFirst))),
  fc.constant(new Start()), fc.constant(new Start()), fc.constant(new Start()),
  fc.constant(new Stop()),
  fc.constant(new Kill()),
  place.map((of) => new Disconnect(of)),
  ...Array.from({ length: 2 }, () => fc.integer({ min: 1, max: 6 }).map((events) => new Listen(events))),
  fc.constant(new Idle()), fc.constant(new Idle()),
  ...Array.from({ length: 2 }, () => fc.tuple(place, changes(1, 10), changes(0, 5)).map(([of, during, after]) => new WriteWhileLagging(of, during, after))),
  ...Array.from({ length: 2 }, () => fc.tuple(place, place, changes(1, 10), fc.boolean()).map(([shard, table, during, ended]) => new WriteWhileLocked(shard, table, during, ended))),
  fc.tuple(place, fc.boolean()).map(([table, hasDefault]) => new AddColumn(table, hasDefault)),
];
