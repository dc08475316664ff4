import { describe, expect, it, vi } from "vitest";
import { perform } from "../../src/cli/perform.js";
import type { CliEvent } from "../../src/cli/view/cli-event.js";
import { recordedTerminal } from "./terminal.js";

/** No view can show it. */
const broken = { type: "schema-planned", phase: "post", shard: 0 } as unknown as CliEvent;

describe("progress that cannot be shown", () => {
  it.each([{ json: true }, { json: false }, { live: true }, { json: true, live: true }])("is told of once and ends nothing: %j", async (options) => {
    const terminal = recordedTerminal(options);
    const code = await perform(terminal, "run", ({ report }) => {
      for (let time = 0; time < 3; time++) report(broken);
      report({ type: "note", message: "seen" });
      return Promise.resolve({ ok: true, text: "done\n", fields: { rows: 1 } });
    });
    const { out, err } = terminal.written;
    expect(code).toBe(0);
    expect(err.match(/^warning: progress is not shown as it should be, the work goes on: .+$/gm)).toHaveLength(1);
    // What can be shown is.
    expect(options.json === true ? out : err).toContain("seen");
    expect(out).toContain(options.json === true ? '"rows":1' : "done");
  });

  it("is not drawn over", async () => {
    vi.useFakeTimers();
    try {
      const terminal = recordedTerminal({ live: true });
      await perform(terminal, "run", ({ report }) => {
        report({ type: "stage-started", stage: "copy" });
        vi.advanceTimersByTime(100);
        report(broken);
        vi.advanceTimersByTime(100);
        return Promise.resolve({ ok: true, text: "", fields: {} });
      });
      const [before, after] = terminal.written.err.split(/^warning: .*\n/m);
      expect(before).toContain("copy");
      expect(after).toMatch(/^copy/);
    } finally {
      vi.useRealTimers();
    }
  });

  it("also where it fails between events", async () => {
    vi.useFakeTimers();
    try {
      const terminal = recordedTerminal({ live: true });
      Object.defineProperty(terminal, "columns", { get: () => { throw new Error("no columns"); } });
      const code = await perform(terminal, "run", () => {
        vi.advanceTimersByTime(1000);
        return Promise.resolve({ ok: true, text: "", fields: {} });
      });
      expect({ code, warnings: terminal.written.err.match(/^warning: .*no columns$/gm)?.length }).toEqual({ code: 0, warnings: 1 });
    } finally {
      vi.useRealTimers();
    }
  });
});
