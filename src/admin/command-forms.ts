/** A command as a person writes it: keywords in capitals, what is to be replaced in small letters, what may be left out in brackets. */
export interface CommandForm {
  readonly command: string;
  readonly description: string;
}

/** All commands, as SHOW HELP lists them. */
export const COMMAND_FORMS: readonly CommandForm[] = [
  { command: "RESHARD source destination publication [slot]", description: "Move a database: schema, rows, changes, and then the traffic. Answers with the task's id." },
  { command: "COPY_DATA source destination publication [slot]", description: "The same without the last step: replicates until CUTOVER or STOP_TASK." },
  { command: "SCHEMA_SYNC PRE|POST|CUTOVER|POST_CUTOVER source destination publication", description: "One phase of the schema on its own." },
  { command: "REPLICATE source destination publication [slot]", description: "Only stream changes: rows and schema are there." },
  { command: "VERIFY source destination publication", description: "Compare source and shards, row for row." },
  { command: "CUTOVER [task]", description: "Move the traffic of a task that replicates; of a reverse one, move it back. Without a number, of the oldest." },
  { command: "STOP_TASK task [DROP PROGRESS]", description: "Stop a task; what it did stays and can be gone on with, unless its progress is dropped. A reverse task is finished by it: its slots are dropped." },
  { command: "MAINTENANCE ON|OFF [database]", description: "Hold back all statements outside of a transaction, and let them go on." },
  { command: "PAUSE [database]", description: "Hold statements back, once open transactions have ended." },
  { command: "RESUME [database]", description: "Let statements go on after PAUSE." },
  { command: "RELOAD", description: "Read the configuration files anew." },
  { command: "SHOW TASKS", description: "Tasks that run, and those that ended in the last day." },
  { command: "SHOW TABLE_COPIES", description: "Tables that are being copied, wait for it or were copied." },
  { command: "SHOW REPLICATION_SLOTS", description: "Slots on the sources, and how far behind the shards are." },
  { command: "SHOW SCHEMA_SYNC", description: "Statements of the schema that run, wait or failed." },
  { command: "SHOW CUTOVER", description: "The steps of a cutover and how long each took." },
  { command: "SHOW VERIFY", description: "What the comparisons of source and shards found." },
  { command: "SHOW ROUTES", description: "The statements that were seen, and where each goes once the database is sharded." },
  { command: "SHOW CLIENTS", description: "Clients that are connected." },
  { command: "SHOW SERVERS", description: "Sessions on the servers." },
  { command: "SHOW POOLS", description: "Databases and how busy they are." },
  { command: "SHOW CONFIG", description: "The configuration in force, without its secrets." },
  { command: "SHOW VERSION", description: "The version of pg-reshard." },
  { command: "SHOW HELP", description: "These lines." },
];
