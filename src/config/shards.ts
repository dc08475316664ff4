import { placeText, quoted, type Problem } from "./configuration-error.js";
import type { DatabaseRow } from "./grammar.js";
import type { Login } from "./logins.js";
import { placeOf, problemAt, type Row } from "./rows.js";
import type { ServerAddress, Shard } from "./types.js";

/**
 * The shards of one database out of its `[[databases]]` entries: numbered from 0 without a gap, each with exactly one
 * primary. An entry with `resharding_only` is a replica; one with the role `auto` is the primary if it is the only
 * such entry and the shard has no other primary.
 */
export function shardsOf(
  database: string,
  entries: readonly Row<DatabaseRow>[],
  loginOf: (entry: Row<DatabaseRow>) => Login,
  problems: Problem[],
): readonly Shard[] {
  const byNumber = new Map<number, Row<DatabaseRow>[]>();
  for (const entry of entries) byNumber.set(entry.value.shard, [...(byNumber.get(entry.value.shard) ?? []), entry]);
  const numbers = [...byNumber.keys()].sort((a, b) => a - b);
  const shards: Shard[] = [];
  let next = 0;
  for (const number of numbers) {
    const group = byNumber.get(number) ?? [];
    if (number > next) {
      const missing = next === number - 1 ? `no shard ${next}` : `no shards ${next} to ${number - 1}`;
      problems.push(
        problemAt(
          placeOf(group[0]!, "shard"),
          "SHARD_GAP",
          `database ${quoted(database)} has shard ${number} but ${missing}`,
          "shard numbers from 0 without a gap",
        ),
      );
    }
    next = number + 1;
    const primary = primaryOf(database, number, group, problems);
    if (primary === undefined) continue;
    shards.push({
      number,
      primary: addressOf(primary.value, loginOf(primary)),
      replicas: group
        .filter((entry) => entry !== primary)
        .map((entry) => ({ ...addressOf(entry.value, loginOf(entry)), reshardingOnly: entry.value.resharding_only })),
    });
  }
  return shards;
}

function primaryOf(
  database: string,
  number: number,
  group: readonly Row<DatabaseRow>[],
  problems: Problem[],
): Row<DatabaseRow> | undefined {
  const shard = `shard ${number} of database ${quoted(database)}`;
  const primaries: Row<DatabaseRow>[] = [];
  const automatic: Row<DatabaseRow>[] = [];
  for (const entry of group) {
    const { role, resharding_only: reshardingOnly } = entry.value;
    if (role === "primary" && reshardingOnly) {
      problems.push(
        problemAt(
          placeOf(entry, "role"),
          "CONFLICT",
          "a primary cannot be resharding_only",
          'role = "replica"',
        ),
      );
    } else if (reshardingOnly || role === "replica") {
      continue;
    } else if (role === "auto") {
      automatic.push(entry);
    } else {
      primaries.push(entry);
    }
  }
  const [first, ...others] = primaries.length > 0 ? primaries : automatic;
  if (first === undefined) {
    problems.push(
      problemAt(
        placeOf(group[0]!),
        "PRIMARY",
        `${shard} has no primary`,
        'one entry with role = "primary"',
      ),
    );
    return undefined;
  }
  for (const other of others) {
    const message =
      primaries.length > 0
        ? `${shard} has a second primary; the first is at ${placeText(placeOf(first))}`
        : `${shard} has no primary but a second entry with role = "auto"; the first is at ${placeText(placeOf(first))}`;
    problems.push(
      problemAt(
        placeOf(other, "role"),
        "PRIMARY",
        message,
        'role = "primary" on exactly one, role = "replica" on the others',
      ),
    );
  }
  return first;
}

function addressOf(entry: DatabaseRow, login: Login): ServerAddress {
  return {
    host: entry.host,
    port: entry.port,
    database: entry.database_name ?? entry.name,
    user: login.user,
    password: login.password,
    sslmode: entry.sslmode,
  };
}

/**
 * Reports primaries that are the same PostgreSQL database: two shards would hold each other's rows, and a source
 * that is its own destination would be written to.
 */
export function reportSharedServers(entries: readonly Row<DatabaseRow>[], problems: Problem[]): void {
  const seen = new Map<string, Row<DatabaseRow>>();
  for (const entry of entries) {
    const { host, port, name, database_name: databaseName = name, role, resharding_only: reshardingOnly } = entry.value;
    if (role === "replica" || reshardingOnly) continue;
    const address = `${host}:${port}/${databaseName}`;
    const first = seen.get(address);
    if (first === undefined) {
      seen.set(address, entry);
    } else if (first.value.name !== name || first.value.shard !== entry.value.shard) {
      problems.push(
        problemAt(
          placeOf(entry),
          "CONFLICT",
          `${quoted(address)} is already a shard at ${placeText(placeOf(first))}`,
          "another server, port or database_name for each shard",
        ),
      );
    }
  }
}
