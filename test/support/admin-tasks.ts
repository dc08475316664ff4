import type pg from "pg";
import { moment } from "./moment.js";

/** A task as SHOW TASKS has it. */
export type AdminTask = Readonly<Record<"id" | "scope" | "type" | "status" | "inner_status", string>> & { readonly message: string | null };

/** Finds a task among all. */
export type FindTask = (tasks: readonly AdminTask[]) => AdminTask | undefined;

/**
 * Asks SHOW TASKS until the task is found; fails as soon as one has failed.
 *
 * @param concerned whose failures count, where not everybody's do
 */
export async function untilTask(admin: Pick<pg.Client, "query">, find: FindTask, concerned: (task: AdminTask) => boolean = () => true): Promise<AdminTask> {
  for (;;) {
    const { rows } = await admin.query<AdminTask>("SHOW TASKS");
    const failed = rows.find((task) => task.status.startsWith("failed") && concerned(task));
    if (failed !== undefined) throw new Error(JSON.stringify(failed));
    const found = find(rows);
    if (found !== undefined) return found;
    await moment();
  }
}

/** The root task that replicates; none of those named. */
export function replicating(...but: readonly string[]): FindTask {
  return (tasks) => {
    // The replication itself is a task, or the last part of one; a root task is above its parts.
    const live = tasks.findIndex(({ type, status, inner_status: inner }) => type.startsWith("replication") && status === "running" && inner === "replicating");
    const root = live < 0 ? undefined : tasks.slice(0, live + 1).findLast(({ scope }) => scope === "root");
    return root === undefined || but.includes(root.id) ? undefined : root;
  };
}

/** The task that leads what is written back to where it was written before a cutover; none of those named. */
export function streamingBack(...but: readonly string[]): FindTask {
  return (tasks) => tasks.find(({ id, type, inner_status: inner }) => type.endsWith(" (reverse)") && inner === "replicating" && !but.includes(id));
}
