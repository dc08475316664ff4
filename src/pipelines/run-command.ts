import { spawn } from "node:child_process";
import type { ReshardError } from "../errors.js";
import { interrupted } from "./interrupted.js";

/** As much of a command's own words as an error shows. */
export const SHOWN_CHARACTERS = 500;
/** How long what a command printed is waited for when it has ended. */
const OUTPUT_MILLISECONDS = 200;

export interface CommandRun {
  readonly command: string;
  /** The error that says what happened: `ended with exit code 1: words of its own`. */
  readonly failed: (what: string) => ReshardError;
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

/** Runs a command in a shell, in a process group of its own, which is ended where it takes too long or is stopped. Returns what it printed. */
export async function runCommand({ command, failed, timeout, environment, signal }: CommandRun): Promise<string> {
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
    child.once("error", (error) => { settle(() => { reject(failed(`could not be started: ${error.message}`)); }); });
    // A child that the command left running may keep its output open: its own end is what counts.
    let end: { readonly code: number | null; readonly by: string | null } | undefined;
    const close = (): void => {
      settle(() => {
        if (ended === "stopped") reject(interrupted());
        else if (ended === "too late") reject(failed(`took longer than ${timeout} ms and was ended`));
        else if (end?.code === 0) resolve(printed);
        else reject(failed(`${end?.code === null ? `was ended by ${end.by ?? "a signal"}` : `ended with exit code ${end?.code}`}${words.trim() === "" ? "" : `: ${words.trim()}`}`));
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
