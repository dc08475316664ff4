import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";

/** As in vitest.config.ts. */
const NODE_OPTIONS = ["--liftoff-only"];
/** A machine's own authorities, which Node reads at each start: tests bring theirs. */
const UNUSED = { NODE_EXTRA_CA_CERTS: undefined };
const MAIN = path.resolve(import.meta.dirname, "../../dist/cli/main.js");

/** A run of the built command line, its `--json` events read as they come. */
export interface CommandRun {
  readonly child: ChildProcess;
  /** Settles when the process has ended: its exit code, or null where a signal ended it. */
  readonly ended: Promise<number | null>;
  readonly events: readonly { readonly type: string; readonly [field: string]: unknown }[];
  readonly stderr: () => string;
}

/** Starts `pg-reshard` as the shell would; `onEvent` is called for each event. */
export function startCommand(args: readonly string[], options: { env?: NodeJS.ProcessEnv; cwd?: string; onEvent?: (event: { type: string }, count: number) => void } = {}): CommandRun {
  if (!existsSync(MAIN)) throw new Error("dist/ is missing: run `npm run build` first");
  const child = spawn(process.execPath, [...NODE_OPTIONS, MAIN, ...args], { cwd: options.cwd, env: { ...process.env, ...UNUSED, ...options.env }, stdio: ["ignore", "pipe", "pipe"] });
  const events: { type: string }[] = [];
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    if (!line.startsWith("{")) return;
    const event = JSON.parse(line) as { type: string };
    events.push(event);
    options.onEvent?.(event, events.length);
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once("close", (code) => { resolve(code); });
  });
  return { child, ended, events, stderr: () => stderr };
}
