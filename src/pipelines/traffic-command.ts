import { spawn } from "node:child_process";
import type { TrafficCommands } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { interrupted } from "./interrupted.js";
import type { Drain, Side, Traffic } from "./traffic.js";

/** The databases' names in the configuration. */
export interface CommandSides {
  readonly from: string;
  readonly to: string;
}

/** As much of a command's own words as an error shows. */
const SHOWN_CHARACTERS = 500;
/** How long what a command printed is waited for when it has ended. */
const OUTPUT_MILLISECONDS = 200;

/**
 * Traffic that the operator's own commands hold back and move. A pause lasts until `resume_command`, also where pg-reshard
 * dies meanwhile; and each command may be run again. They find in their environment
 * `PG_RESHARD_FROM` and `PG_RESHARD_TO`, the databases' names; `pause_command` also `PG_RESHARD_DRAIN_TIMEOUT`
 * (milliseconds) and `PG_RESHARD_DRAIN_ACTION`, `resume_command` `PG_RESHARD_IN_CHARGE`, where it is known.
 */
export function commandTraffic(commands: TrafficCommands, { from, to }: CommandSides): Traffic {
  const environment = { PG_RESHARD_FROM: from, PG_RESHARD_TO: to };
  const run = async (key: string, command: string, more: Readonly<Record<string, string>> = {}, signal?: AbortSignal): Promise<string> =>
    await runCommand({ key, command, timeout: commands.timeout, environment: { ...environment, ...more }, signal });
  /** What this process has seen itself, since its last switch. */
  let known: Side | undefined;

  const inCharge = async (): Promise<Side | undefined> => {
    if (commands.inCharge === undefined) return known;
    const name = (await run("in_charge_command", commands.inCharge)).trim();
    if (name === from) return "source";
    if (name === to) return "destination";
    throw new ReshardError("CUTOVER_COMMAND_ANSWER", `in_charge_command printed ${JSON.stringify(name.slice(0, SHOWN_CHARACTERS))}.`, { remedy: `It has to print "${from}" or "${to}", whichever is in charge.` });
  };

  return {
    warnings: () => Promise.resolve([]),
    async pause({ timeout, action, signal }: Drain) {
      await run("pause_command", commands.pause, { PG_RESHARD_DRAIN_TIMEOUT: String(timeout), PG_RESHARD_DRAIN_ACTION: action }, signal);
    },
    async switch() {
      try {
        await run("switch_command", commands.switch);
        known = "destination";
      } catch (error) {
        if (commands.undo !== undefined) {
          await run("undo_command", commands.undo);
          known = "source";
        }
        throw error;
      }
    },
    inCharge,
    async resume() {
      // To be told is good, but the applications wait.
      const side = await inCharge().catch(() => undefined);
      await run("resume_command", commands.resume, side === undefined ? {} : { PG_RESHARD_IN_CHARGE: side === "source" ? from : to });
    },
    processesOn: () => Promise.resolve(undefined),
  };
}

interface CommandRun {
  /** Of the configuration. */
  readonly key: string;
  readonly command: string;
  /** Milliseconds. */
  readonly timeout: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
}

/**
 * Runs the command, and ends its process group when descriptor 3 closes: it does not outlive pg-reshard, and cannot switch
 * when that has been started again and looked who is in charge.
 */
const DIE_WITH_PARENT = `
( read -r _ <&3; kill -KILL 0 ) >/dev/null 2>&1 &
watcher=$!
/bin/sh -c "$1" 3<&-
code=$?
kill "$watcher"
exit "$code"`;

/** Runs a command in a shell, in a process group of its own, which is ended where it takes too long. Returns what it printed. */
async function runCommand({ key, command, timeout, environment, signal }: CommandRun): Promise<string> {
  if (signal?.aborted === true) throw interrupted();
  return await new Promise((resolve, reject) => {
    const child = spawn("/bin/sh", ["-c", DIE_WITH_PARENT, "sh", command], { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "pipe", "pipe"], detached: true });
    let printed = "";
    let words = "";
    let ended: "in time" | "too late" | "stopped" = "in time";
    const kill = (why: "too late" | "stopped"): void => {
      ended = why;
      try {
        process.kill(-child.pid!, "SIGKILL");
      } catch {
        // It has just ended by itself.
      }
    };
    const timer = setTimeout(() => { kill("too late"); }, timeout);
    const onAbort = (): void => { kill("stopped"); };
    signal?.addEventListener("abort", onAbort, { once: true });
    child.stdout!.setEncoding("utf8").on("data", (text: string) => { printed += text; });
    child.stderr!.setEncoding("utf8").on("data", (text: string) => { words = (words + text).slice(-SHOWN_CHARACTERS); });
    child.once("error", (error) => { settle(() => { reject(commandFailed(key, `could not be started: ${error.message}`)); }); });
    // A child that the command left running may keep its output open: its own end is what counts.
    let end: { readonly code: number | null; readonly by: string | null } | undefined;
    const close = (): void => {
      settle(() => {
        if (ended === "stopped") reject(interrupted());
        else if (ended === "too late") reject(commandFailed(key, `took longer than ${timeout} ms and was ended`));
        else if (end?.code === 0) resolve(printed);
        else reject(commandFailed(key, `${end?.code === null ? `was ended by ${end.by ?? "a signal"}` : `ended with exit code ${end?.code}`}${words.trim() === "" ? "" : `: ${words.trim()}`}`));
      });
    };
    let grace: NodeJS.Timeout | undefined;
    child.once("exit", (code, by) => {
      end = { code, by };
      grace = setTimeout(close, OUTPUT_MILLISECONDS);
    });
    child.once("close", close);
    const settle = (how: () => void): void => {
      clearTimeout(timer);
      clearTimeout(grace);
      signal?.removeEventListener("abort", onAbort);
      for (const stream of child.stdio) stream?.destroy();
      how();
    };
  });
}

function commandFailed(key: string, what: string): ReshardError {
  return new ReshardError("CUTOVER_COMMAND_FAILED", `[cutover] ${key} ${what}.`, {
    remedy: "Run it by hand to see what is wrong, put it right, and cut over again.",
  });
}
