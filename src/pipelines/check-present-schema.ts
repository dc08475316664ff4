import { ReshardError } from "../errors.js";
import { displayAddress } from "../postgres/connection.js";
import { displayName } from "../postgres/identifiers.js";
import type { SchemaDifference } from "../schema/diff-catalogs.js";
import { hasObjects } from "../schema/has-objects.js";
import { presentDifferences } from "../schema/present-differences.js";
import { readCatalog } from "../schema/read-catalog.js";
import type { Phase, SchemaPlan } from "../schema/schema-plan.js";
import type { Migration } from "./migration.js";

/** How many an error lists. */
const LISTED = 10;

/**
 * Looks whether what is on a shard already is what the phases would make, for a phase leaves alone what is there. Fails
 * with SCHEMA_DIFFERS, or with `ignoreErrors` reports it in notes.
 */
export async function checkPresentSchema({ pipeline, shards, sessions, report }: Pick<Migration, "pipeline" | "shards" | "sessions" | "report">, plan: SchemaPlan, phases: readonly Phase[], ignoreErrors: boolean): Promise<void> {
  // Most often shards are new before the first phase.
  if (phases.includes("pre") && (await Promise.all(shards.map((shard) => sessions.kept.use(shard, "journal", hasObjects)))).every((has) => !has)) return;
  const [source, ...there] = await Promise.all([
    sessions.kept.use(pipeline.from.shards[0]!.primary, "monitor", readCatalog),
    ...shards.map((shard) => sessions.kept.use(shard, "journal", readCatalog)),
  ]);
  for (const [index, shard] of shards.entries()) {
    const differences = presentDifferences(plan, phases, source, there[index]!);
    if (differences.length === 0) continue;
    const server = displayAddress(shard);
    const lines = differences.map(lineOf);
    if (ignoreErrors) {
      for (const line of lines) report({ type: "note", message: `${server}: ${line.replaceAll(/\s*\n\s*/g, " ")}; it is left as it is.` });
      continue;
    }
    const { schema, owner, name } = differences[0]!.object;
    throw new ReshardError("SCHEMA_DIFFERS", `${server} has objects that differ from the source's of the same name:\n${[...lines.slice(0, LISTED), ...(lines.length > LISTED ? [`… and ${lines.length - LISTED} more`] : [])].join("\n")}`, {
      remedy: "Change or drop them on the shard and run the same command again; pg-reshard diff lists all differences. --ignore-errors leaves them as they are.",
      place: { server, table: displayName({ schema, name: owner ?? name }) },
    });
  }
}

function lineOf({ kind, name, what, source, shard }: SchemaDifference): string {
  if (what === "missing") return `${kind} ${name} is missing`;
  return `${kind} ${name}, ${what}:\n  source: ${source ?? "none"}\n  shard:  ${shard ?? "none"}`;
}
