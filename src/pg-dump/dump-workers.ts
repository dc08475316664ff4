import { existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { packageFile, runsFromSources } from "../package-file.js";

let keptMilliseconds = 0;

/**
 * Has a thread kept for so long after its work, for processes that dump often: starting one takes three times as long as
 * a small dump. None is by default, for a migration dumps once, and what a thread takes would be missing for its rows.
 */
export function keepDumpWorkers(milliseconds: number): void {
  keptMilliseconds = milliseconds;
}

interface Idle {
  readonly worker: Worker;
  readonly end: NodeJS.Timeout;
}

let idle: Idle | undefined;

/**
 * Lends the thread that runs the bundled pg_dump (bundled-dump-worker.ts): the one that was used last, or a new one.
 * It may be kept for the next where its use succeeded; where it did not it is ended, for pg_dump may sleep in it.
 *
 * @param use may listen to the worker; its listeners are removed
 */
export async function withDumpWorker<T>(use: (worker: Worker) => Promise<T>): Promise<T> {
  const worker = takeIdle() ?? startWorker();
  try {
    const result = await use(worker);
    await keep(worker);
    return result;
  } catch (error) {
    await worker.terminate();
    throw error;
  }
}

function takeIdle(): Worker | undefined {
  if (idle === undefined) return undefined;
  const { worker, end } = idle;
  idle = undefined;
  clearTimeout(end);
  forget(worker);
  worker.ref();
  return worker;
}

/** Neither the thread nor its end keeps the process. */
async function keep(worker: Worker): Promise<void> {
  forget(worker);
  if (keptMilliseconds === 0 || idle !== undefined) {
    await worker.terminate();
    return;
  }
  const drop = (): void => {
    if (idle?.worker !== worker) return;
    clearTimeout(idle.end);
    idle = undefined;
  };
  worker.once("error", drop);
  worker.once("exit", drop);
  worker.unref();
  idle = { worker, end: setTimeout(() => void worker.terminate(), keptMilliseconds).unref() };
}

/** Removes the listeners of its last use, and none of Node's own. */
function forget(worker: Worker): void {
  for (const event of ["message", "error", "exit"]) worker.removeAllListeners(event);
}

/**
 * The worker as built; or, run from the sources, what was built of them since they changed, or else its TypeScript
 * through tsx, which the tests and benchmarks have.
 */
function startWorker(): Worker {
  const built = packageFile("dist/pg-dump/bundled-dump-worker.js");
  if (!runsFromSources || isNewerThanSources(fileURLToPath(built))) return new Worker(built);
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx/esm/api").replace(/cjs$/, "mjs")).href;
  const source = new URL("./bundled-dump-worker.ts", import.meta.url).href;
  // Node 20 does not apply --import to the file of a worker itself.
  const program = `import(${JSON.stringify(tsx)}).then(({ register }) => { register(); return import(${JSON.stringify(source)}); })`;
  return new Worker(program, { eval: true });
}

/** Whether the file exists, and nothing in this folder was changed after it. */
function isNewerThanSources(file: string): boolean {
  if (!existsSync(file)) return false;
  const { mtimeMs } = statSync(file);
  return readdirSync(import.meta.dirname).every((name) => statSync(path.join(import.meta.dirname, name)).mtimeMs <= mtimeMs);
}
