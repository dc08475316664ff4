import { describe, expect, it } from "vitest";
import { inLanes } from "../src/in-lanes.js";
import { moment } from "./support/moment.js";

describe("work in lanes", () => {
  it("that is quick is done in the first alone, in order", async () => {
    const opened: number[] = [];
    const done: number[] = [];
    await inLanes([3, 1, 2], { width: 2, ready: 1, open: (lane) => Promise.resolve(opened.push(lane)), work: (item) => Promise.resolve(void done.push(item)) });
    expect({ opened, done }).toEqual({ opened: [0], done: [3, 1, 2] });
  });

  it("that takes long gets as many as there may be, and those that are ready at once", async () => {
    for (const ready of [1, 3]) {
      let under = 0;
      await inLanes([1, 2, 3, 4], {
        width: 3,
        ready,
        open: (lane) => Promise.resolve(lane),
        async work(item) {
          under += 1;
          // The first three wait for one another.
          if (item <= 3) while (under < 3) await moment();
        },
      });
      expect(under).toBe(4);
    }
  });

  it("that fails begins no further piece, and is over when all lanes have ended", async () => {
    const ended: number[] = [];
    let fail!: () => void;
    const failing = new Promise<void>((resolve) => { fail = resolve; });
    await expect(inLanes([1, 2, 3], {
      width: 2,
      ready: 2,
      open: (lane) => Promise.resolve(lane),
      async work(item) {
        if (item === 1) {
          await failing;
          throw new Error("of the first");
        }
        fail();
        for (let turn = 0; turn < 3; turn++) await moment();
        ended.push(item);
      },
    })).rejects.toThrow("of the first");
    expect(ended).toEqual([2]);
  });
});
