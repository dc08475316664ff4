import type { CutoverOutcome, CutoverStep } from "../progress/cutover-journal.js";
import { type CutoverHappening, type CutoverPosition, type LeftWhy, nextAction } from "./cutover-steps.js";
import type { Side } from "./traffic.js";

/** What a cutover's actions do in the world. */
export interface CutoverEffects {
  /** Notes the step, on disk. */
  journal(step: CutoverStep): Promise<void>;
  /** @param again it may have been taken before, or in part */
  take(step: CutoverStep, again: boolean): Promise<void>;
  inCharge(): Promise<Side | undefined>;
  /** Notes how it ends, on disk. */
  journalOutcome(outcome: CutoverOutcome, failure: unknown): Promise<void>;
  /** Lets the applications go on at the source, and removes what was prepared for the destination. */
  undo(failure: unknown): Promise<void>;
}

/** How it ended. */
export type CutoverEnd =
  | { readonly kind: "done" }
  | { readonly kind: "aborted"; readonly failure: unknown }
  /** Nothing was surely right: it is left as it is. */
  | { readonly kind: "left"; readonly why: LeftWhy; readonly failure: unknown };

/** Takes a cutover from where it is to its end, as far as that can be known. Its decisions are `nextAction`'s. */
export async function driveCutover(begun: CutoverPosition | undefined, first: "asked" | "found", effects: CutoverEffects): Promise<CutoverEnd> {
  let position = begun;
  let happening: CutoverHappening = { kind: first };
  let failure: unknown;
  let again = first === "found";
  for (;;) {
    const action = nextAction(position, happening);
    switch (action.kind) {
      case "take":
        try {
          await effects.journal(action.step).catch((error: unknown) => {
            // Who is in charge is known by then, and applications wait.
            if (action.step !== "resume") throw error;
            failure ??= error;
          });
          position = { step: action.step, outcome: undefined };
          await effects.take(action.step, action.again);
          happening = { kind: "taken" };
        } catch (error) {
          failure ??= error;
          again = false;
          happening = { kind: "failed" };
          // The first step may not even be in the journal.
          position ??= { step: action.step, outcome: undefined };
        }
        break;
      case "look":
        try {
          happening = { kind: "looked", inCharge: await effects.inCharge(), again };
        } catch (error) {
          failure ??= error;
          return { kind: "left", why: "uncertain", failure };
        }
        break;
      case "undo":
        // A process that comes later undoes it too, from whatever step up to the switch; so the journal is not waited for in vain.
        try {
          await effects.journalOutcome("undoing", failure);
        } catch (error) {
          failure ??= error;
        }
        position = { step: position!.step, outcome: "undoing" };
        try {
          await effects.undo(failure);
          happening = { kind: "undone" };
        } catch (error) {
          failure ??= error;
          happening = { kind: "failed" };
        }
        break;
      case "end":
        await effects.journalOutcome(action.outcome, failure);
        return action.outcome === "done" ? { kind: "done" } : { kind: "aborted", failure };
      case "leave":
        return { kind: "left", why: action.why, failure };
    }
  }
}
