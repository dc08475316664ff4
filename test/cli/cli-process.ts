import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";

const ROOT = path.resolve(import.meta.dirname, "../..");

export interface CliProcess {
  readonly child: ChildProcess;
  /** What it printed with `--json`, so far. */
  readonly objects: Record<string, unknown>[];
  /** The first object of a type; rejects where the process ends without one. */
  first(type: string): Promise<Record<string, unknown>>;
  readonly ended: Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>;
}

/** Starts the command line as a process of its own, from its sources. */
export function startCli(words: readonly string[], environment: Readonly<Record<string, string>> = {}): CliProcess {
  const child = spawn(process.execPath, ["--import", "tsx", path.join(ROOT, "src/cli/main.ts"), ...words], {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  const objects: Record<string, unknown>[] = [];
  const waiting: { readonly type: string; readonly resolve: (object: Record<string, unknown>) => void; readonly reject: (error: Error) => void }[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  createInterface({ input: child.stdout }).on("line", (line) => {
    out += `${line}\n`;
    if (!line.startsWith("{")) return;
    const object = JSON.parse(line) as Record<string, unknown>;
    objects.push(object);
    for (const { type, resolve } of waiting) if (object["type"] === type) resolve(object);
  });
  const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    child.once("close", (code) => {
      for (const { type, reject } of waiting) reject(new Error(`it ended without ${type}:\n${out}${err}`));
      resolve({ code, out, err });
    });
  });
  return {
    child,
    objects,
    ended,
    first: (type) =>
      new Promise((resolve, reject) => {
        const there = objects.find((object) => object["type"] === type);
        if (there === undefined) waiting.push({ type, resolve, reject });
        else resolve(there);
      }),
  };
}
