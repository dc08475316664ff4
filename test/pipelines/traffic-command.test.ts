import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TrafficCommands } from "../../src/config/types.js";
import { configuredTraffic } from "../../src/pipelines/configured-traffic.js";
import { commandTraffic } from "../../src/pipelines/traffic-command.js";
import type { Drain, Traffic } from "../../src/pipelines/traffic.js";
import { makePipeline } from "../support/pipeline.js";
import { until } from "../support/raw-client.js";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-"));
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

const file = (name: string): string => path.join(directory, name);
const drain = (signal = new AbortController().signal): Drain => ({ timeout: 1234, action: "cancel", signal });

function traffic(commands: Partial<TrafficCommands> = {}): Traffic {
  return commandTraffic({ pause: "true", switch: "true", resume: "true", undo: undefined, inCharge: undefined, timeout: 30_000, ...commands }, { from: "old", to: "new one" });
}

describe("traffic by the operator's commands", () => {
  it("tells them the databases' names, and what is known", async () => {
    const say = (words: string): string => `echo "${words}" >> '${file("said")}'`;
    const told = traffic({ pause: say("pause $PG_RESHARD_FROM, $PG_RESHARD_TO, $PG_RESHARD_DRAIN_TIMEOUT $PG_RESHARD_DRAIN_ACTION"), switch: say("switch to $PG_RESHARD_TO"), resume: say("resume at $PG_RESHARD_IN_CHARGE.") });
    await told.pause(drain());
    await told.resume();
    expect(await told.inCharge()).toBeUndefined();
    await told.switch();
    expect(await told.inCharge()).toBe("destination");
    await told.resume();
    expect(readFileSync(file("said"), "utf8")).toBe("pause old, new one, 1234 cancel\nresume at .\nswitch to new one\nresume at new one.\n");
    expect(await told.processesOn({ host: "h", port: 1, database: "d", user: "u", password: undefined, sslmode: "disable" })).toBeUndefined();
  });

  it("asks who is in charge, and does not take every answer", async () => {
    expect(await traffic({ inCharge: "echo old" }).inCharge()).toBe("source");
    expect(await traffic({ inCharge: "printf 'new one'" }).inCharge()).toBe("destination");
    await expect(traffic({ inCharge: "echo both" }).inCharge()).rejects.toMatchObject({ code: "CUTOVER_COMMAND_ANSWER" });
    await expect(traffic({ inCharge: "echo old; exit 1" }).inCharge()).rejects.toMatchObject({ code: "CUTOVER_COMMAND_FAILED" });
  });

  it("says how one failed, and undoes a switch", async () => {
    await expect(traffic({ pause: "echo no such proxy >&2; exit 3" }).pause(drain())).rejects.toMatchObject({ code: "CUTOVER_COMMAND_FAILED", message: "[cutover] pause_command ended with exit code 3: no such proxy." });
    const undone = traffic({ switch: `touch '${file("switched")}'; exit 1`, undo: `rm '${file("switched")}'` });
    await expect(undone.switch()).rejects.toMatchObject({ message: expect.stringContaining("switch_command") as string });
    expect(existsSync(file("switched"))).toBe(false);
    expect(await undone.inCharge()).toBe("source");
    const notUndone = traffic({ switch: "exit 1" });
    await expect(notUndone.switch()).rejects.toThrow();
    expect(await notUndone.inCharge()).toBeUndefined();
  });

  it("ends one that takes too long or is not wanted any more, with all that it has started", async () => {
    const forEver = `sh -c 'echo $$ > "${file("pid")}"; while :; do sleep 1; done' & wait`;
    const isGone = (): boolean => {
      try {
        process.kill(Number(readFileSync(file("pid"), "utf8")), 0);
        return false;
      } catch {
        return true;
      }
    };
    await expect(traffic({ resume: forEver, timeout: 300 }).resume()).rejects.toMatchObject({ message: "[cutover] resume_command took longer than 300 ms and was ended." });
    await until(isGone);
    rmSync(file("pid"), { force: true });
    const stop = new AbortController();
    const pausing = traffic({ pause: forEver }).pause(drain(stop.signal));
    await until(() => existsSync(file("pid")) && readFileSync(file("pid"), "utf8") !== "");
    stop.abort();
    await expect(pausing).rejects.toMatchObject({ code: "INTERRUPTED" });
    await until(isGone);
  });

  it("does not wait for what a command leaves running", async () => {
    await traffic({ resume: "sleep 60 & echo $!" }).resume();
  });

  it("leaves no command at work when it is killed itself", async () => {
    rmSync(file("pid"), { force: true });
    const script = file("parent.ts");
    const module = path.resolve(import.meta.dirname, "../../src/pipelines/traffic-command.ts");
    const command = `echo $$ > '${file("pid")}'; sleep 600; touch '${file("too late")}'`;
    writeFileSync(script, `import { commandTraffic } from ${JSON.stringify(module)};\nvoid commandTraffic({ pause: "true", switch: ${JSON.stringify(command)}, resume: "true", undo: undefined, inCharge: undefined, timeout: 900000 }, { from: "a", to: "b" }).switch();\n`);
    const parent = spawn(process.execPath, ["--import", "tsx", script], { stdio: "ignore", cwd: path.resolve(import.meta.dirname, "../..") });
    await until(() => existsSync(file("pid")) && readFileSync(file("pid"), "utf8") !== "");
    const pid = Number(readFileSync(file("pid"), "utf8"));
    parent.kill("SIGKILL");
    await until(() => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    });
    expect(existsSync(file("too late"))).toBe(false);
  });
});

describe("the configured traffic", () => {
  it("is not the gateway of another process", () => {
    const address = { host: "h", port: 1, database: "d", user: "u", password: undefined, sslmode: "disable" } as const;
    expect(() => configuredTraffic(makePipeline({ from: address, to: [address], publication: "p" }))).toThrow(expect.objectContaining({ code: "CUTOVER_NEEDS_GATEWAY" }) as Error);
  });
});
