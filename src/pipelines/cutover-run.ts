import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { ReshardError } from "../errors.js";
import { displayAddress, endQuietly } from "../postgres/connection.js";
import { reasonOf } from "../postgres/server-errors.js";
import type { Lsn } from "../postgres/lsn.js";
import { CUTOVER_STEPS, type CutoverDurations, type CutoverEntry, type CutoverOutcome, type CutoverStep, journalCutoverOutcome, journalCutoverStep } from "../progress/cutover-journal.js";
import { committedPastFence, FENCE_SESSION, type OpenSource, takeFence } from "./cutover-fence.js";
import { CutoverSequences } from "./cutover-sequences.js";
import type { CutoverEffects } from "./drive-cutover.js";
import { checkStopped } from "./interrupted.js";
import type { LiveReplication } from "./live-replication.js";
import type { Migration } from "./migration.js";
import { prepareCutover } from "./prepare-cutover.js";
import type { Side, Traffic } from "./traffic.js";
import { waitForLag } from "./wait-for-lag.js";
import { unlessAborted } from "./unless-aborted.js";
import { dropForwardSlots, positionOf, type WayBack } from "./way-back.js";

export interface CutoverParts {
  readonly migration: Migration;
  readonly wayBack: WayBack;
  readonly traffic: Traffic;
  readonly replication: LiveReplication;
  /** Where it is given up replication goes on: it is somebody's who watches it. */
  readonly goesOn: boolean;
  /** Source and shards were compared just before, and found equal. */
  readonly verified: boolean;
  /** What the journal says of it, where it was begun before. */
  readonly known: CutoverEntry | undefined;
  /** Aborted when the operator asks to stop: given up, up to the switch. */
  readonly signal: AbortSignal;
}

/** What was opened beforehand, so that nothing has to be while applications wait. */
interface Prepared {
  readonly sources: readonly OpenSource[];
  readonly sequences: CutoverSequences;
  /** For `starts`. */
  readonly shards: readonly pg.Client[];
}

/** The steps of a cutover, on servers and traffic. What comes after which is `nextAction`'s. */
export class CutoverRun implements CutoverEffects {
  readonly #parts: CutoverParts;
  readonly #opened: pg.Client[] = [];
  readonly #timeUp = new AbortController();
  readonly #durations: Partial<Record<CutoverStep, number>>;
  #prepared: Prepared | undefined;
  #fences: readonly Lsn[] | undefined;
  #starts: readonly Lsn[] | undefined;
  #pausedAt: number | undefined;
  #paused: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pausing: Promise<void> = Promise.resolve();
  /** What is written into the journal, one after the other. */
  #journaling: Promise<void> = Promise.resolve();

  constructor(parts: CutoverParts) {
    this.#parts = parts;
    this.#durations = { ...parts.known?.durations };
    this.#fences = parts.known?.fences;
    this.#starts = parts.known?.starts;
    this.#paused = parts.known?.paused;
  }

  /** Milliseconds that applications waited; undefined where nothing was paused. */
  get paused(): number | undefined {
    return this.#paused;
  }

  get durations(): CutoverDurations {
    return this.#durations;
  }

  async journal(step: CutoverStep): Promise<void> {
    const { migration } = this.#parts;
    if (isRevocable(step)) this.#checkGoingOn();
    const facts = this.#facts();
    this.#journaling = this.#journaling.then(() => migration.journal((client) => journalCutoverStep(client, migration.id, step, facts)));
    this.#journaling.catch(() => undefined);
    // Sent ahead of these steps but not waited for: after a crash they are undone as the pause is, which is in the journal by
    // now, and applications wait. What fails is told by the switch's, which is behind them.
    if (UNDONE_ALIKE.has(step)) return;
    await this.#whileGoingOn(step, this.#journaling);
  }

  async take(step: CutoverStep, again: boolean): Promise<void> {
    const { report, id } = this.#parts.migration;
    const started = performance.now();
    report({ type: "cutover-step", migration: id, step, state: "began" });
    try {
      await this.#whileGoingOn(step, again && step === "switch" ? this.#switchAgain() : this.#steps[step]());
    } catch (error) {
      report({ type: "cutover-step", migration: id, step, state: "failed", milliseconds: performance.now() - started, message: reasonOf(error) });
      throw this.#timeUp.signal.aborted && isRevocable(step) ? this.#timeout(step) : error;
    } finally {
      this.#durations[step] = performance.now() - started;
    }
    report({ type: "cutover-step", migration: id, step, state: "done", milliseconds: this.#durations[step] });
  }

  async inCharge(): Promise<Side | undefined> {
    return await this.#parts.traffic.inCharge();
  }

  async journalOutcome(outcome: CutoverOutcome, failure: unknown): Promise<void> {
    const { migration } = this.#parts;
    const facts = this.#facts();
    const writing = this.#journaling.catch(() => undefined).then(() => migration.journal((client) => journalCutoverOutcome(client, migration.id, outcome, facts, failure === undefined ? undefined : reasonOf(failure))));
    // Applications do not wait for a server that does not answer.
    await (this.#pausedAt === undefined ? writing : unlessAborted(AbortSignal.timeout(JOURNAL_MILLISECONDS), writing));
  }

  async undo(): Promise<void> {
    const { traffic, wayBack, replication, migration, goesOn } = this.#parts;
    clearTimeout(this.#timer);
    // A pause that is given up must not take effect behind the resume.
    await unlessAborted(AbortSignal.timeout(PAUSE_MILLISECONDS), this.#pausing.catch(() => undefined)).catch(() => undefined);
    await traffic.resume();
    this.#endPause();
    // In the background of the applications from here on.
    if (goesOn && !migration.signal.aborted) replication.start();
    await wayBack.dropSlots();
  }

  async close(): Promise<void> {
    const { replication, goesOn } = this.#parts;
    clearTimeout(this.#timer);
    // What made it fail is told already, by who waited for it.
    if (!goesOn) await replication.stop().catch(() => undefined);
    await Promise.all([...this.#opened.map(endQuietly), this.#prepared?.sequences.close()]);
  }

  readonly #steps: Readonly<Record<CutoverStep, () => Promise<void>>> = {
    ready: async () => {
      const { migration, wayBack, replication, traffic, signal, verified } = this.#parts;
      const { lastTransactionDelay } = migration.pipeline.cutover;
      await prepareCutover({ migration, wayBack, traffic, replication, verified, signal });
      this.#prepared = await this.#open();
      // Ends early where the operator stops it, and is checked for then.
      if (lastTransactionDelay > 0) await delay(lastTransactionDelay, undefined, { signal }).catch(() => undefined);
      checkStopped(signal);
      await waitForLag(replication, migration.pipeline.cutover, signal);
      checkStopped(signal);
    },
    pause: async () => {
      const { migration, traffic } = this.#parts;
      const { drainTimeout, drainAction, timeout, timeoutAction } = migration.pipeline.cutover;
      this.#pausedAt = performance.now();
      this.#timer = setTimeout(() => {
        if (timeoutAction === "abort") this.#timeUp.abort();
        else migration.report({ type: "note", message: `cutover_timeout is over: applications wait on, as cutover_timeout_action = "cutover" says, until every shard has all of the source's writes` });
      }, timeout);
      this.#pausing = traffic.pause({ timeout: drainTimeout, action: drainAction, signal: this.#revoked() });
      await this.#pausing;
    },
    fence: async () => {
      this.#fences = await this.#takeFences();
    },
    drain: async () => {
      await this.#parts.replication.reached(this.#fences!, this.#revoked());
      await this.#checkNotBypassed();
    },
    finish: async () => {
      const { replication, migration } = this.#parts;
      const { sequences, shards } = this.#prepared!;
      const [drawn] = await Promise.all([
        sequences.finish(),
        // What came past the pause since then is seen by this second look, and what comes after it is at most a moment's.
        this.#takeFences().then((positions) => replication.reached(positions, this.#revoked())),
      ]);
      await this.#checkNotBypassed();
      await replication.stop();
      await this.#checkNotBypassed();
      this.#starts = await Promise.all(shards.map(positionOf));
      if (drawn > 0) migration.report({ type: "note", message: `${drawn} sequences were moved on while applications waited: the source had drawn more than the margin since the cutover was made ready` });
    },
    switch: async () => {
      clearTimeout(this.#timer);
      await this.#parts.traffic.switch();
    },
    resume: async () => {
      const { traffic, wayBack, migration } = this.#parts;
      await traffic.resume();
      this.#endPause();
      await wayBack.begin(this.#starts!);
      await dropForwardSlots(migration);
    },
  };

  /**
   * A process died while it switched, and the traffic cannot tell what came of it. Nothing was let through since, if all is
   * as it should be; if the source took writes, or the way back is gone, a person has to look.
   */
  async #switchAgain(): Promise<void> {
    const { migration, traffic, replication, wayBack, signal } = this.#parts;
    if (this.#starts === undefined || this.#fences === undefined || !(await wayBack.hasSlots())) throw uncertain(migration, "the slots of the way back are gone");
    this.#pausedAt = performance.now();
    await traffic.pause({ timeout: migration.pipeline.cutover.drainTimeout, action: "abort", signal });
    this.#prepared = await this.#open();
    replication.start();
    await replication.reached(await this.#takeFences(), signal);
    await this.#checkNotBypassed();
    await replication.stop();
    await traffic.switch();
  }

  async #open(): Promise<Prepared> {
    const { migration, wayBack } = this.#parts;
    const sources = await Promise.all(
      migration.sources.map(async ({ address }) => {
        const client = await migration.sessions.source(address, "cutover");
        this.#opened.push(client);
        await client.query(FENCE_SESSION);
        return { address, client };
      }),
    );
    const shards = await wayBack.openShards();
    this.#opened.push(...shards);
    return { sources, shards, sequences: await CutoverSequences.open(migration, sources.map(({ client }) => client)) };
  }

  async #takeFences(): Promise<Lsn[]> {
    const { migration, traffic } = this.#parts;
    const deadline = Date.now() + Math.max(0, migration.pipeline.cutover.drainTimeout - (performance.now() - this.#pausedAt!));
    return await Promise.all(this.#prepared!.sources.map((source) => takeFence(source, traffic, deadline, this.#revoked())));
  }

  async #checkNotBypassed(): Promise<void> {
    const { replication, traffic } = this.#parts;
    const [late] = replication.since(this.#fences!);
    if (late !== undefined) throw await committedPastFence(this.#prepared!.sources[late.sourceShard]!, traffic, late);
  }

  /** Aborted when what is being done is not to be gone on with. */
  #revoked(): AbortSignal {
    return AbortSignal.any([this.#parts.signal, this.#timeUp.signal]);
  }

  #checkGoingOn(): void {
    checkStopped(this.#parts.signal);
    if (this.#timeUp.signal.aborted) throw this.#timeout("drain");
  }

  /** Does not wait for a server that does not answer where the step can be given up. */
  async #whileGoingOn(step: CutoverStep, work: Promise<void>): Promise<void> {
    await (isRevocable(step) && step !== "ready" ? unlessAborted(this.#revoked(), work) : work);
  }

  #timeout(step: CutoverStep): ReshardError {
    const { timeout } = this.#parts.migration.pipeline.cutover;
    return new ReshardError("CUTOVER_TIMEOUT", `The applications had waited for ${timeout} ms, and the cutover was at "${step}".`, {
      remedy: "Cut over again when less is written; or raise cutover_timeout, or set cutover_timeout_action = \"cutover\", in [general].",
    });
  }

  #endPause(): void {
    if (this.#pausedAt !== undefined) this.#paused = performance.now() - this.#pausedAt;
    this.#pausedAt = undefined;
  }

  #facts(): Pick<CutoverEntry, "fences" | "starts" | "durations" | "paused"> {
    return { fences: this.#fences, starts: this.#starts, durations: this.#durations, paused: this.#paused };
  }
}

const JOURNAL_MILLISECONDS = 2000;
/** How long a pause that was told to reject is waited for. */
const PAUSE_MILLISECONDS = 5000;
const UNDONE_ALIKE: ReadonlySet<CutoverStep> = new Set(["fence", "drain", "finish"]);

/** The steps before the switch. */
function isRevocable(step: CutoverStep): boolean {
  return CUTOVER_STEPS.indexOf(step) < CUTOVER_STEPS.indexOf("switch");
}

/** Which side is in charge cannot be known. */
export function uncertain({ pipeline }: Migration, why: string): ReshardError {
  const sides = `${displayAddress(pipeline.from.shards[0]!.primary)} (${pipeline.from.name}) or ${pipeline.to.name}`;
  return new ReshardError("CUTOVER_UNCERTAIN", `A cutover was interrupted while it switched, and it cannot be known whether ${sides} is in charge: ${why}.`, {
    remedy: "Look where the applications' statements go. [cutover] in_charge_command can tell it; then run the same command again.",
  });
}
