import type { SchemaPhase } from "../config/types.js";

/** The two databases and the tables of a migration, as the operator names them. */
export interface MigrationNames {
  readonly source: string;
  readonly destination: string;
  readonly publication: string;
}

/** What can be shown. The names are those of the SHOW commands, in lower case. */
export const SHOW_SUBJECTS = [
  "tasks",
  "table_copies",
  "replication_slots",
  "schema_sync",
  "cutover",
  "verify",
  "routes",
  "clients",
  "servers",
  "pools",
  "config",
  "version",
  "help",
] as const;

export type ShowSubject = (typeof SHOW_SUBJECTS)[number];

/** A command of the admin database. */
export type AdminCommand =
  | (MigrationNames & { readonly kind: "reshard" | "copy_data" | "replicate"; readonly slot: string | undefined })
  | (MigrationNames & { readonly kind: "schema_sync"; readonly phase: SchemaPhase })
  | (MigrationNames & { readonly kind: "verify" })
  | { readonly kind: "cutover"; readonly task: number | undefined }
  | { readonly kind: "stop_task"; readonly task: number; readonly dropProgress: boolean }
  /** Without a database: of all. */
  | { readonly kind: "maintenance"; readonly on: boolean; readonly database: string | undefined }
  | { readonly kind: "pause" | "resume"; readonly database: string | undefined }
  | { readonly kind: "reload" }
  | { readonly kind: "show"; readonly subject: ShowSubject };
