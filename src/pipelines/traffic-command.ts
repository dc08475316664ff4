import type { TrafficCommands } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { runCommand, SHOWN_CHARACTERS } from "./run-command.js";
import type { Drain, Side, Traffic } from "./traffic.js";

/** The databases' names in the configuration. */
export interface CommandSides {
  readonly from: string;
  readonly to: string;
}

/**
 * Traffic that the operator's own commands hold back and move. A pause lasts until `resume_command`, also where pg-reshard
 * dies meanwhile; and each command may be run again. They find in their environment
 * `PG_RESHARD_FROM` and `PG_RESHARD_TO`, the databases' names; `pause_command` also `PG_RESHARD_DRAIN_TIMEOUT`
 * (milliseconds) and `PG_RESHARD_DRAIN_ACTION`, `resume_command` `PG_RESHARD_IN_CHARGE`, where it is known.
 */
export function commandTraffic(commands: TrafficCommands, { from, to }: CommandSides): Traffic {
  const environment = { PG_RESHARD_FROM: from, PG_RESHARD_TO: to };
  const run = async (key: string, command: string, more: Readonly<Record<string, string>> = {}, signal?: AbortSignal): Promise<string> =>
    await runCommand({ command, failed: (what) => commandFailed(key, what), timeout: commands.timeout, environment: { ...environment, ...more }, signal });
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

function commandFailed(key: string, what: string): ReshardError {
  return new ReshardError("CUTOVER_COMMAND_FAILED", `[cutover] ${key} ${what}.`, {
    remedy: "Run it by hand to see what is wrong, put it right, and cut over again.",
  });
}
