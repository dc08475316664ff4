import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter } from "node:events";
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
  readonly events: readonly CommandEvent[];
  /** The first event of a type; rejects where the process ends without one. */
  readonly first: (type: string) => Promise<CommandEvent>;
  readonly stdout: () => string;
  readonly stderr: () => string;
}

export interface CommandEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Starts `pg-reshard` as the shell would; `onEvent` is called for each event. */
export function startCommand(args: readonly string[], options: { env?: NodeJS.ProcessEnv; cwd?: string; onEvent?: (event: CommandEvent, count: number) => void } = {}): CommandRun {
  if (!existsSync(MAIN)) throw new Error("dist/ is missing: run `npm run build` first");
  const child = spawn(process.execPath, [...NODE_OPTIONS, MAIN, ...args], { cwd: options.cwd, env: { ...process.env, ...UNUSED, ...options.env }, stdio: ["ignore", "pipe", "pipe"] });
  const events: CommandEvent[] = [];
  const awaited = new EventEmitter();
  let stdout = "";
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    stdout += `${line}\n`;
    if (!line.startsWith("{")) return;
    const event = JSON.parse(line) as CommandEvent;
    events.push(event);
    awaited.emit(`event ${event.type}`, event);
    options.onEvent?.(event, events.length);
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once("close", (code) => { resolve(code); });
  });
  const first = async (type: string): Promise<CommandEvent> => {
    const there = events.find((event) => event.type === type);
    if (there !== undefined) return there;
    const over = ended.then(() => { throw new Error(`it ended without ${type}:\n${stdout}${stderr}`); });
    over.catch(() => undefined);
    return await Promise.race([new Promise<CommandEvent>((resolve) => { awaited.once(`event ${type}`, resolve); }), over]);
  };
  return { child, ended, events, first, stdout: () => stdout, stderr: () => stderr };
}

/** What a command ends with, and what it said. */
export async function outcomeOf(...args: Parameters<typeof startCommand>): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const { ended, stdout, stderr } = startCommand(...args);
  return { code: await ended, out: stdout(), err: stderr() };
}
