import { CUTOVER_STEPS, type CutoverOutcome, type CutoverStep } from "../progress/cutover-journal.js";
import type { Side } from "./traffic.js";

/** Where a cutover is. */
export interface CutoverPosition {
  readonly step: CutoverStep;
  readonly outcome: CutoverOutcome | undefined;
}

/** What has happened. */
export type CutoverHappening =
  /** Somebody asks for a cutover. */
  | { readonly kind: "asked" }
  /** A process begins, and finds this position in the journal. */
  | { readonly kind: "found" }
  /** The step at hand was taken. */
  | { readonly kind: "taken" }
  /** It was not, or only in part. */
  | { readonly kind: "failed" }
  /** Which side is in charge, as it was looked up. `again`: by a process that did not take the step itself. */
  | { readonly kind: "looked"; readonly inCharge: Side | undefined; readonly again: boolean }
  /** All is as it was before. */
  | { readonly kind: "undone" };

/** What to do next. */
export type CutoverAction =
  /** Journal the step, then take it. `again`: it may have been taken before. */
  | { readonly kind: "take"; readonly step: CutoverStep; readonly again: boolean }
  | { readonly kind: "look" }
  /** Journal that it is given up; then let the applications go on at the source, and remove what was prepared. */
  | { readonly kind: "undo" }
  /** Journal the outcome: it is over. */
  | { readonly kind: "end"; readonly outcome: "aborted" | "done" }
  /** There is nothing to do, or nothing that is surely right: leave everything as it is. */
  | { readonly kind: "leave"; readonly why: LeftWhy };

export type LeftWhy =
  | "nothing begun"
  /** A former cutover is to be settled first. */
  | "unfinished"
  /** The switch was begun, and nobody can say which side is in charge. */
  | "uncertain"
  /** What is left to do failed, and is done by whoever finds it next. */
  | "to be repeated"
  | "switched by somebody else";

/**
 * Decides what comes next in a cutover. Up to the switch whatever fails is undone; once the switch was begun only the
 * traffic knows which side is in charge, and what it says is followed; after it there is only forward.
 */
export function nextAction(position: CutoverPosition | undefined, happening: CutoverHappening): CutoverAction {
  if (happening.kind === "asked") return isOver(position) ? take(CUTOVER_STEPS[0]) : { kind: "leave", why: "unfinished" };
  if (position === undefined || isOver(position)) return { kind: "leave", why: "nothing begun" };
  const { step, outcome } = position;
  switch (happening.kind) {
    case "found":
      // It was decided before that the source is in charge.
      if (outcome === "undoing") return { kind: "undo" };
      return step === "resume" ? take(step, true) : { kind: "look" };
    case "taken":
      return step === "resume" ? { kind: "end", outcome: "done" } : take(stepAfter(step));
    case "failed":
      if (outcome === "undoing") return { kind: "leave", why: "to be repeated" };
      if (step === "resume") return { kind: "leave", why: "to be repeated" };
      return step === "switch" ? { kind: "look" } : { kind: "undo" };
    case "looked":
      if (step !== "switch") return happening.inCharge === "destination" ? { kind: "leave", why: "switched by somebody else" } : { kind: "undo" };
      if (happening.inCharge === "destination") return take("resume");
      if (happening.inCharge === "source") return { kind: "undo" };
      // All of it is prepared, and nothing was let through since: to do it once more is right, whatever came of it before.
      return happening.again ? take(step, true) : { kind: "leave", why: "uncertain" };
    case "undone":
      return { kind: "end", outcome: "aborted" };
  }
}

/** Nothing is under way. */
export function isOver(position: Pick<CutoverPosition, "outcome"> | undefined): boolean {
  return position === undefined || position.outcome === "aborted" || position.outcome === "done";
}

function take(step: CutoverStep, again = false): CutoverAction {
  return { kind: "take", step, again };
}

function stepAfter(step: CutoverStep): CutoverStep {
  return CUTOVER_STEPS[CUTOVER_STEPS.indexOf(step) + 1]!;
}
