import { placeText, quoted, type Place, type Problem } from "./configuration-error.js";
import type { DatabaseRow, UserRow } from "./grammar.js";
import { placeOf, problemAt, textIn, type Row, type Rows } from "./rows.js";
import { Substituted } from "./environment.js";
import { isTable } from "./toml-document.js";

export interface Login {
  readonly user: string;
  readonly password: string | undefined;
}

/**
 * What to connect with, per `[[databases]]` entry of one database: its own user, else that of the one `[[users]]`
 * entry for the database with `schema_admin = true`. The password is the entry's own, else the one `[[users]]` has for
 * that user, else the schema administrator's, as in PgDog. It may be absent: the server may not ask for one.
 *
 * @param complete - whether all files were read; if not, a missing user is not reported.
 */
export function loginsOf(
  database: string,
  entries: readonly Row<DatabaseRow>[],
  users: Rows<UserRow>,
  complete: boolean,
  problems: Problem[],
): (entry: Row<DatabaseRow>) => Login {
  const candidates = users.rows.filter((row) => isFor(row.value, database));
  const administrators = candidates.filter((row) => row.value.schema_admin);
  const administrator = administrators[0];

  const needy = entries.find((entry) => entry.value.user === undefined);
  if (needy !== undefined) {
    const maybeBroken = !complete || users.broken.some((row) => mayBeFor(row, database));
    if (administrator === undefined) {
      if (!maybeBroken) problems.push(noAdministrator(database, needy, candidates));
    } else if (administrators.length > 1) {
      for (const other of administrators.slice(1)) {
        problems.push(secondAdministrator(database, other, placeOf(administrator, "schema_admin")));
      }
    } else if (administrator.value.server_auth !== "password" && needy.value.password === undefined) {
      problems.push(
        problemAt(
          placeOf(administrator, "server_auth"),
          "UNSUPPORTED",
          `server_auth = ${quoted(administrator.value.server_auth)} is not supported`,
          `a schema_admin of ${quoted(database)} that logs in with a password`,
        ),
      );
    }
  }

  return (entry) => {
    const user = entry.value.user ?? (administrator === undefined ? entry.value.name : serverUser(administrator.value));
    const known = candidates.find((row) => serverUser(row.value) === user) ?? administrator;
    return { user, password: entry.value.password ?? (known === undefined ? undefined : serverPassword(known.value)) };
  };
}

/** The databases an entry names: PgDog lets `database` win over `databases`, and `all_databases` over both. */
export function databasesNamed(
  user: UserRow,
): readonly { readonly name: string; readonly path: readonly (string | number)[] }[] {
  if (user.all_databases) return [];
  if (namesOne(user)) return [{ name: user.database, path: ["database"] }];
  return (user.databases ?? []).map((name, index) => ({ name, path: ["databases", index] }));
}

/** PgDog's default for `database` is the empty string: it names none. */
function namesOne(user: UserRow): user is UserRow & { readonly database: string } {
  return user.database !== undefined && user.database !== "";
}

/** Whether an entry of `[[users]]` is for a database. */
export function isFor(user: UserRow, database: string): boolean {
  return user.all_databases || databasesNamed(user).some(({ name }) => name === database);
}

/** Of an entry that could not be read: true unless it surely is for another database. */
function mayBeFor(raw: unknown, database: string): boolean {
  const all = isTable(raw) ? raw["all_databases"] : undefined;
  const named = textIn(raw, "database");
  return named === undefined || named === database || all === true || all instanceof Substituted;
}

/** The name an entry logs in with at the servers. */
export function serverUser(user: UserRow): string {
  return user.server_user ?? user.name;
}

export function serverPassword(user: UserRow): string | undefined {
  return user.server_password ?? user.password ?? user.passwords?.[0];
}

function noAdministrator(database: string, entry: Row<DatabaseRow>, candidates: readonly Row<UserRow>[]): Problem {
  const first = candidates[0];
  const expected = `one [[users]] entry for ${quoted(database)} with schema_admin = true, or user and password here`;
  return first === undefined
    ? problemAt(placeOf(entry), "SCHEMA_ADMIN", `no user is configured for database ${quoted(database)}`, expected)
    : problemAt(
        placeOf(first),
        "SCHEMA_ADMIN",
        `no user of database ${quoted(database)} is its schema administrator`,
        "schema_admin = true on exactly one of them",
      );
}

function secondAdministrator(database: string, row: Row<UserRow>, first: Place): Problem {
  return problemAt(
    placeOf(row, "schema_admin"),
    "SCHEMA_ADMIN",
    `a second schema administrator of database ${quoted(database)}; the first is at ${placeText(first)}`,
    "schema_admin = true on exactly one of them",
  );
}
