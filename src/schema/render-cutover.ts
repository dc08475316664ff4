import type { ServerAddress } from "../config/types.js";
import { displayAddress } from "../postgres/connection.js";
import { comment, renderStatement } from "./render-plan.js";
import type { PlannedStatement } from "./schema-plan.js";
import { sessionSettings } from "./session-settings.js";
import { counted } from "../words.js";

/** The cutover or post-cutover phase of one shard. */
export interface ShardStatements {
  readonly shard: ServerAddress;
  readonly statements: readonly PlannedStatement[];
}

/**
 * The SQL of a phase that is planned by what the shards have, shard by shard, with kind and reason as comments and the
 * notes at its head; psql can run it, and goes from server to server by itself (passwords are not in it).
 */
export function renderCutover(phase: "cutover" | "post-cutover", shards: readonly ShardStatements[], notes: readonly string[]): string {
  const parts = shards.flatMap(({ shard, statements }, number) => [
    `-- ==== ${phase}: shard ${number}, ${displayAddress(shard)} (${counted(statements.length, "statement")})`,
    ...(statements.length === 0 ? [] : [`\\connect ${connectionUri(shard)}`, sessionSettings.map((setting) => `${setting};`).join("\n"), ...statements.map(renderStatement)]),
  ]);
  return `${[...(notes.length === 0 ? [] : [notes.map(comment).join("\n")]), ...parts].join("\n\n")}\n`;
}

function connectionUri({ host, port, database, user, sslmode }: ServerAddress): string {
  const name = host.includes(":") ? `[${host}]` : encoded(host);
  return `postgresql://${encoded(user)}@${name}:${port}/${encoded(database)}?sslmode=${sslmode}`;
}

/** An apostrophe would begin a quoted word of psql's. */
function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll("'", "%27");
}
