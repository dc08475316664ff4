import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CutoverPosition, isOver, nextAction } from "../../src/pipelines/cutover-steps.js";
import { driveCutover } from "../../src/pipelines/drive-cutover.js";
import type { Side } from "../../src/pipelines/traffic.js";
import { CUTOVER_STEPS, type CutoverOutcome, type CutoverStep } from "../../src/progress/cutover-journal.js";

/*
 * The machine, driven by its own driver, in a small world: processes die at any point, steps fail half-way or after they
 * took effect, the traffic tells who is in charge or does not, and a pause outlives a process or does not. Whenever the gate is
 * open, applications write.
 */

class Killed extends Error {}

interface WorldOptions {
  /** The traffic can be asked which side is in charge. */
  readonly tells: boolean;
  /** A pause ends with the process, as that of our own gateway does. */
  readonly pauseDies: boolean;
  /** Draws what happens at each point: mostly nothing. */
  readonly fate: () => "well" | "killed" | "fails";
}

/** What is on disk, and what the traffic does. */
class World {
  position: CutoverPosition | undefined;
  readonly #options: WorldOptions;
  inCharge: Side = "source";
  paused = false;
  /** Writes on the source that the destination does not have. */
  unreplicated = 1;
  fenced = false;
  wayBack = false;
  forwardSlots = true;
  /** Writes on the destination that no slot keeps for the way back. */
  lostForTheWayBack = 0;
  writtenOnDestination = 0;
  lost = 0;
  /** In the memory of the process, where it saw the switch succeed. */
  switchedHere: Side | undefined;

  constructor(options: WorldOptions) {
    this.#options = options;
  }

  /** A point at which a process may die or a piece of work fail; applications write in between. */
  point(): void {
    this.write();
    const fate = this.#options.fate();
    if (fate === "killed") throw new Killed();
    if (fate === "fails") throw new Error("failed");
  }

  write(): void {
    if (this.paused) return;
    if (this.inCharge === "source") {
      this.unreplicated++;
      this.fenced = false;
    } else {
      this.writtenOnDestination++;
      if (!this.wayBack) this.lostForTheWayBack++;
    }
  }

  die(): void {
    if (this.#options.pauseDies) this.paused = false;
    this.switchedHere = undefined;
  }

  takes: Readonly<Record<CutoverStep, () => void>> = {
    ready: () => { this.wayBack = true; },
    pause: () => { this.paused = true; },
    fence: () => { this.fenced = true; },
    drain: () => { this.unreplicated = 0; },
    finish: () => undefined,
    switch: () => {
      expect(this.paused).toBe(true);
      this.inCharge = "destination";
      this.lost += this.unreplicated;
    },
    resume: () => {
      this.paused = false;
      this.forwardSlots = false;
    },
  };

  async run(first: "asked" | "found"): Promise<string> {
    const end = await driveCutover(this.position, first, {
      journal: (step) => this.#effect(() => { this.position = { step, outcome: undefined }; }),
      take: (step, again) => this.#effect(() => {
        if (again && step === "switch") {
          // What the real one does: pause once more, and refuse where the source was written to or the way back is gone.
          this.paused = true;
          if (!this.fenced || !this.wayBack) throw new Error("the source took writes");
        }
        this.takes[step]();
      }).then(() => { if (step === "switch") this.switchedHere = "destination"; }),
      inCharge: async () => {
        await this.#effect(() => undefined);
        return this.#options.tells ? this.inCharge : this.switchedHere;
      },
      journalOutcome: (outcome: CutoverOutcome) => this.#effect(() => { this.position = { step: this.position!.step, outcome }; }),
      undo: async () => {
        expect(this.inCharge).toBe("source");
        await this.#effect(() => { this.paused = false; });
        await this.#effect(() => { this.wayBack = false; });
      },
    });
    return end.kind === "left" ? end.why : end.kind;
  }

  /** Something that may be cut short before or after it took effect. */
  async #effect(work: () => void): Promise<void> {
    await Promise.resolve();
    this.point();
    work();
    this.point();
  }

  check(): void {
    expect(this.lost, "writes that were left behind").toBe(0);
    expect(this.lostForTheWayBack, "writes that the way back lacks").toBe(0);
    if (this.inCharge === "source") expect(this.forwardSlots, "the slots without which replication cannot go on").toBe(true);
    expect(this.inCharge === "source" && this.writtenOnDestination > 0, "both sides were written to").toBe(false);
  }
}

const options = fc.record({ tells: fc.boolean(), pauseDies: fc.boolean(), script: fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 19, max: 30 })), { maxLength: 6 }), kinds: fc.array(fc.constantFrom("killed", "fails"), { minLength: 6, maxLength: 6 }) });

describe("the machine of a cutover", () => {
  it("leaves exactly one side in charge and loses nothing, wherever processes die and steps fail", async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(options, async ({ tells, pauseDies, script, kinds }) => {
        // A pause that dies with its process is that of the gateway, which has its side on disk and tells it.
        if (pauseDies && !tells) return;
        const troubles = script.map((after, index) => ({ after, kind: kinds[index] as "killed" | "fails" }));
        const world = new World({
          tells, pauseDies,
          fate: () => {
            const next = troubles[0];
            if (next === undefined || next.after-- > 1) return "well";
            troubles.shift();
            return next.kind;
          },
        });
        let first: "asked" | "found" = "asked";
        let end = "";
        // Each trouble costs a process at most; the last one is left alone.
        for (let process = 0; process <= script.length + 2; process++) {
          try {
            end = await world.run(first);
          } catch (error) {
            end = "died";
            // A journal that cannot be written to ends a process too.
            if (!(error instanceof Killed)) end = "failed";
          }
          if (first === "asked" && world.position === undefined) continue;
          world.check();
          if (end === "done" || end === "aborted" || end === "nothing begun") break;
          world.die();
          first = "found";
        }
        seen.add(end);
        world.check();
        if (end === "uncertain") {
          // Only who cannot be asked leaves it open, and then nobody writes on the wrong side: nobody does at all.
          expect(tells).toBe(false);
          seen.add("uncertain");
          return;
        }
        if (world.position === undefined) return;
        expect(["done", "aborted", "nothing begun"]).toContain(end);
        expect(isOver(world.position)).toBe(true);
        expect(world.paused).toBe(false);
        expect(world.inCharge).toBe(world.position.outcome === "done" ? "destination" : "source");
        expect(world.wayBack).toBe(world.position.outcome === "done");
        expect(world.forwardSlots).toBe(world.position.outcome !== "done");
      }),
      { numRuns: 3000 },
    );
    expect([...seen]).toEqual(expect.arrayContaining(["done", "aborted"]));
  });

  it("takes every step once, in order, where nothing goes wrong", async () => {
    const taken: CutoverStep[] = [];
    const world = new World({ tells: true, pauseDies: true, fate: () => "well" });
    const { takes } = world;
    world.takes = Object.fromEntries(CUTOVER_STEPS.map((step) => [step, () => { taken.push(step); takes[step](); }])) as typeof takes;
    expect(await world.run("asked")).toBe("done");
    expect(taken).toEqual(CUTOVER_STEPS);
  });

  it("is not begun again before an unfinished one is settled, and leaves one that is over alone", () => {
    expect(nextAction({ step: "drain", outcome: undefined }, { kind: "asked" })).toEqual({ kind: "leave", why: "unfinished" });
    expect(nextAction({ step: "drain", outcome: "aborted" }, { kind: "asked" })).toMatchObject({ kind: "take", step: "ready" });
    expect(nextAction({ step: "switch", outcome: "undoing" }, { kind: "found" })).toEqual({ kind: "undo" });
    expect(nextAction({ step: "resume", outcome: "done" }, { kind: "found" })).toEqual({ kind: "leave", why: "nothing begun" });
    expect(nextAction({ step: "finish", outcome: undefined }, { kind: "looked", inCharge: "destination", again: true })).toEqual({ kind: "leave", why: "switched by somebody else" });
  });
});
