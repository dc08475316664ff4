import { migrationId } from "../pipelines/migration.js";
import { showCutover, type CutoverRow } from "../pipelines/show-cutover.js";
import { reasonOf } from "../postgres/server-errors.js";
import { explainError } from "../pipelines/explain-error.js";
import type { AdminCommand, ShowSubject } from "./admin-command.js";
import type { Answer, Column, Table } from "./answer.js";
import { COMMAND_FORMS } from "./command-forms.js";
import type { GatewayControls } from "./gateway-controls.js";
import { findSlots } from "./replication-slots.js";
import { showConfig } from "./show-config.js";
import { showCutovers } from "./show-cutover.js";
import { showClients, showPools, showRoutes, showServers } from "./show-gateway.js";
import { showReplicationSlots } from "./show-replication-slots.js";
import { showSchemaSync } from "./show-schema-sync.js";
import { showTableCopies } from "./show-table-copies.js";
import { showTasks } from "./show-tasks.js";
import { showVerify } from "./show-verify.js";
import type { TaskManager } from "./task-manager.js";

/** What commands work with. */
export interface AdminTools {
  readonly tasks: TaskManager;
  readonly gateway: GatewayControls;
  /** Of pg-reshard. */
  readonly version: string;
}

/** Rows in columns of text. */
function texts(names: readonly string[], ...rows: readonly (readonly string[])[]): Table {
  return { columns: names.map((name) => ({ name, type: "text" })), rows };
}

/** The columns that a command will answer with; undefined where it answers with no rows. */
export function columnsOf(command: AdminCommand): readonly Column[] | undefined {
  switch (command.kind) {
    case "reshard":
    case "replicate":
    case "schema_sync":
    case "verify":
      return texts(["task_id"]).columns;
    case "copy_data":
      return texts(["task_id", "replication_slot"]).columns;
    case "cutover":
    case "stop_task":
      return texts([command.kind]).columns;
    case "maintenance":
    case "pause":
    case "resume":
    case "reload":
      return undefined;
    case "show":
      return EMPTY[command.subject].columns;
  }
}

/** Does what a command says. Long work is a task by the time this resolves. */
export async function executeCommand(command: AdminCommand, { tasks, gateway, version }: AdminTools): Promise<Answer> {
  switch (command.kind) {
    case "reshard":
    case "copy_data":
    case "replicate":
    case "schema_sync":
    case "verify": {
      const { source, destination, publication } = command;
      const kind = command.kind === "replicate" ? "replication" : command.kind;
      const slot = "slot" in command ? command.slot : undefined;
      const task = await tasks.begin({ kind, source, destination, publication, slot, phase: command.kind === "schema_sync" ? command.phase : undefined });
      const id = String(task.id);
      return answer(command, command.kind === "copy_data" ? texts(["task_id", "replication_slot"], [id, tasks.slotOf(task) ?? ""]) : texts(["task_id"], [id]));
    }
    case "cutover":
      tasks.cutOver(command.task);
      return answer(command, texts(["cutover"], ["OK"]));
    case "stop_task": {
      const notices = await tasks.stop(command.task, command);
      return answer(command, texts(["stop_task"], [notices === undefined ? "task not found" : "OK"]), notices);
    }
    case "maintenance":
      await gateway.maintenance(command.on, command.database);
      return answer(command, undefined);
    case "pause":
      await gateway.pause(command.database);
      return answer(command, undefined);
    case "resume":
      await gateway.resume(command.database);
      return answer(command, undefined);
    case "reload": {
      const notices = await gateway.reload();
      // Databases that are new may have tasks to go on with.
      await tasks.start();
      return answer(command, undefined, notices);
    }
    case "show": {
      const { table, notices } = await show(command.subject, { tasks, gateway, version });
      return answer(command, table, notices);
    }
  }
}

function answer(command: AdminCommand, table: Table | undefined, notices: readonly string[] = []): Answer {
  return { table, tag: command.kind.toUpperCase(), notices };
}

/** What SHOW says of nothing: its columns. */
const EMPTY: Readonly<Record<ShowSubject, Table>> = {
  tasks: showTasks([], 0),
  table_copies: showTableCopies([], 0),
  replication_slots: showReplicationSlots([], 0),
  schema_sync: showSchemaSync([], 0),
  cutover: showCutovers([]),
  verify: showVerify([]),
  routes: showRoutes([]),
  clients: showClients([]),
  servers: showServers([]),
  pools: showPools([]),
  config: showConfig({}),
  version: texts(["version"]),
  help: texts(["command", "description"]),
};

async function show(subject: ShowSubject, { tasks, gateway, version }: AdminTools): Promise<{ readonly table: Table; readonly notices?: readonly string[] }> {
  const now = Date.now();
  switch (subject) {
    case "tasks":
      return { table: showTasks(tasks.list(), now) };
    case "table_copies":
      return { table: showTableCopies(tasks.list(), now) };
    case "replication_slots": {
      const { slots, notices } = await findSlots(tasks.list());
      return { table: showReplicationSlots(slots, now), notices };
    }
    case "schema_sync":
      return { table: showSchemaSync(tasks.list(), now) };
    case "cutover":
      return await cutovers(tasks);
    case "verify":
      return { table: showVerify(tasks.list()) };
    case "routes":
      return { table: showRoutes(await gateway.routes()) };
    case "clients":
      return { table: showClients(gateway.clients()) };
    case "servers":
      return { table: showServers(gateway.servers()) };
    case "pools":
      return { table: showPools(gateway.pools()) };
    case "config":
      return { table: showConfig(gateway.configuration()) };
    case "version":
      return { table: texts(["version"], [`pg-reshard ${version}`]) };
    case "help":
      return { table: texts(["command", "description"], ...COMMAND_FORMS.map(({ command, description }) => [command, description])) };
  }
}

/** What the journals of the tasks' migrations know. */
async function cutovers(tasks: TaskManager): Promise<{ readonly table: Table; readonly notices: readonly string[] }> {
  const migrations = new Map(tasks.list().flatMap(({ ways, spec }) => {
    const first = ways?.back === true ? ways.opposite : ways?.pipeline;
    return first === undefined || spec.kind === "schema_sync" || spec.kind === "verify" ? [] : [[migrationId(first), first] as const];
  }));
  const notices: string[] = [];
  const found = await Promise.all([...migrations].map(([id, pipeline]): Promise<readonly CutoverRow[]> => showCutover(pipeline).catch((error: unknown) => {
    notices.push(`The journals of ${id} could not be read: ${reasonOf(explainError(error))}`);
    return [];
  })));
  return { table: showCutovers(found.flat()), notices };
}
