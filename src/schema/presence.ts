import { quoteIdentifier, qualifiedName, type TableName } from "../postgres/identifiers.js";

/** What to look for in the catalog to know that a statement is done already. */
export type Presence =
  | { readonly type: "schema" | "extension" | "publication" | "event trigger"; readonly name: string }
  /** A table, view, sequence or materialized view. */
  | { readonly type: "relation"; readonly name: TableName }
  | { readonly type: "index"; readonly name: TableName }
  /** `CREATE TYPE x;` alone makes a shell, the full statement later fills it. */
  | { readonly type: "type"; readonly name: TableName; readonly shell: boolean }
  | { readonly type: "constraint" | "trigger" | "rule" | "policy" | "identity column"; readonly table: TableName; readonly name: string }
  | { readonly type: "domain constraint"; readonly domain: TableName; readonly name: string }
  | { readonly type: "partition"; readonly parent: TableName; readonly child: TableName }
  | { readonly type: "statistics"; readonly name: TableName }
  | { readonly type: "published table"; readonly publication: string; readonly table: TableName }
  | { readonly type: "published schema"; readonly publication: string; readonly schema: string }
  | { readonly type: "populated"; readonly name: TableName }
  /** A table, or all of a partition tree: no row was changed since its statistics were made. */
  | { readonly type: "analyzed"; readonly name: TableName }
  /** No look-up by name: these SQLSTATEs of the server say that it is there. */
  | { readonly type: "by error"; readonly states: readonly string[] };

/** `present` for a row with state `present`, `invalid` for an index to be built anew, absent without a row. */
export interface PresenceQuery {
  readonly text: string;
  readonly values: readonly string[];
}

const RELATION = "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $1 AND c.relname = $2";

const NAMED: Readonly<Record<"schema" | "extension" | "publication" | "event trigger", string>> = {
  schema: "pg_namespace WHERE nspname = $1",
  extension: "pg_extension WHERE extname = $1",
  publication: "pg_publication WHERE pubname = $1",
  "event trigger": "pg_event_trigger WHERE evtname = $1",
};

const OF_TABLE: Readonly<Record<"constraint" | "trigger" | "rule" | "policy" | "identity column", string>> = {
  constraint: "pg_constraint x ON x.conrelid = c.oid AND x.conname = $3",
  trigger: "pg_trigger x ON x.tgrelid = c.oid AND x.tgname = $3",
  rule: "pg_rewrite x ON x.ev_class = c.oid AND x.rulename = $3",
  policy: "pg_policy x ON x.polrelid = c.oid AND x.polname = $3",
  "identity column": "pg_attribute x ON x.attrelid = c.oid AND x.attname = $3 AND x.attidentity <> ''",
};

/** The look-up for a presence; undefined where only the server's error tells. */
export function presenceQuery(presence: Presence): PresenceQuery | undefined {
  const found = (from: string, ...values: string[]): PresenceQuery => ({ text: `SELECT 'present' AS state FROM ${from}`, values });
  switch (presence.type) {
    case "schema":
    case "extension":
    case "publication":
    case "event trigger":
      return found(NAMED[presence.type], presence.name);
    case "relation":
      return found(RELATION, presence.name.schema, presence.name.name);
    case "index":
      // The index of a partitioned table (relkind I) is invalid until every partition's is attached: that is no failure.
      return {
        text: `SELECT CASE WHEN c.relkind = 'i' AND NOT i.indisvalid THEN 'invalid' ELSE 'present' END AS state FROM ${RELATION} LEFT JOIN pg_index i ON i.indexrelid = c.oid`,
        values: [presence.name.schema, presence.name.name],
      };
    case "type":
      return found(
        `pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace AND n.nspname = $1 AND t.typname = $2 WHERE t.typisdefined OR ${String(presence.shell)}`,
        presence.name.schema,
        presence.name.name,
      );
    case "constraint":
    case "trigger":
    case "rule":
    case "policy":
    case "identity column":
      return found(`${RELATION} JOIN ${OF_TABLE[presence.type]}`, presence.table.schema, presence.table.name, presence.name);
    case "domain constraint":
      return found(
        "pg_constraint x JOIN pg_type t ON t.oid = x.contypid AND t.typname = $2 JOIN pg_namespace n ON n.oid = t.typnamespace AND n.nspname = $1 WHERE x.conname = $3",
        presence.domain.schema,
        presence.domain.name,
        presence.name,
      );
    case "partition":
      return found(
        `${RELATION} JOIN pg_inherits h ON h.inhparent = c.oid JOIN pg_class d ON d.oid = h.inhrelid AND d.relname = $4 JOIN pg_namespace m ON m.oid = d.relnamespace AND m.nspname = $3`,
        presence.parent.schema,
        presence.parent.name,
        presence.child.schema,
        presence.child.name,
      );
    case "statistics":
      return found("pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE n.nspname = $1 AND s.stxname = $2", presence.name.schema, presence.name.name);
    case "published table":
      return found(`${RELATION} JOIN pg_publication_rel r ON r.prrelid = c.oid JOIN pg_publication p ON p.oid = r.prpubid AND p.pubname = $3`, presence.table.schema, presence.table.name, presence.publication);
    case "published schema":
      return found(
        "pg_publication_namespace r JOIN pg_publication p ON p.oid = r.pnpubid JOIN pg_namespace n ON n.oid = r.pnnspid WHERE n.nspname = $1 AND p.pubname = $2",
        presence.schema,
        presence.publication,
      );
    case "populated":
      return found(`${RELATION} WHERE c.relispopulated`, presence.name.schema, presence.name.name);
    case "analyzed":
      // Servers count changes somewhat late, and forget the counts in a crash: then a table is analyzed once more than it
      // had to be. A materialized view has only the rows of the refresh that came before. Not from pg_stat_all_tables,
      // which looks at all tables, for each table.
      return found(
        `${RELATION} WHERE NOT EXISTS (
           SELECT FROM (SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid)) t JOIN pg_class s ON s.oid = t.oid AND s.relkind IN ('r', 'm', 'p')
            WHERE pg_stat_get_last_analyze_time(s.oid) IS NULL AND pg_stat_get_last_autoanalyze_time(s.oid) IS NULL
               OR c.relkind <> 'm' AND pg_stat_get_mod_since_analyze(s.oid) > 0)`,
        presence.name.schema,
        presence.name.name,
      );
    case "by error":
      return undefined;
  }
}

/** The name of the index that a failed concurrent build left behind, as DROP INDEX wants it. */
export function indexToDrop(presence: Presence): string | undefined {
  return presence.type === "index" ? (presence.name.schema === "" ? quoteIdentifier(presence.name.name) : qualifiedName(presence.name)) : undefined;
}
