import { describe, expect, test } from "vitest";
import { TaskProgress } from "../../src/admin/task-progress.js";

describe("a task that ends", () => {
  test("leaves no stage running, also not one that a former process was in", () => {
    const former = new TaskProgress(false);
    former.apply({ type: "stage-started", stage: "replicate" }, 1);
    // Killed in its cutover, which the next process finishes: it never comes to its stream again.
    const next = new TaskProgress(false);
    next.restore(former.stored());
    next.apply({ type: "cutover-step", migration: "m", step: "resume", state: "began" }, 2);
    next.apply({ type: "cutover-ended", outcome: "done", migration: "m", from: "a", to: "b" }, 3);
    expect(next.subtasks.map(({ stage, state }) => `${stage}: ${state}`)).toEqual(["replicate: running", "cutover: finished"]);
    next.runEnded("finished", 4);
    expect(next.subtasks.map(({ stage, state, endedAt }) => `${stage}: ${state} at ${endedAt ?? "no time"}`)).toEqual(["replicate: finished at 4", "cutover: finished at 3"]);
  });

  test("ends the stage that it was in as it ended itself", () => {
    const progress = new TaskProgress(false);
    progress.apply({ type: "stage-started", stage: "copy" }, 1);
    progress.apply({ type: "stage-finished", stage: "copy", milliseconds: 1 }, 2);
    progress.apply({ type: "stage-started", stage: "replicate" }, 3);
    progress.runEnded("cancelled", 4);
    expect(progress.subtasks.map(({ stage, state }) => `${stage}: ${state}`)).toEqual(["copy: finished", "replicate: cancelled"]);
    expect(progress.stage).toBeUndefined();
  });
});
