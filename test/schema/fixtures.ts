import { readdirSync, readFileSync } from "node:fs";

export interface SchemaFixture {
  readonly name: string;
  /** The oldest version that understands it. */
  readonly since: number;
  /** A schema with rows and a publication `everything`: one query for an empty database. */
  readonly sql: string;
}

const DIRECTORY = new URL("../fixtures/schemas/", import.meta.url);

/** The files of test/fixtures/schemas; `-18` at the end of a name is the version it needs. */
export const schemaFixtures: readonly SchemaFixture[] = readdirSync(DIRECTORY).filter((file) => file.endsWith(".sql")).map((file) => ({
  name: file.replace(/\.sql$/, ""),
  since: Number(/-(\d+)\.sql$/.exec(file)?.[1] ?? 15),
  sql: readFileSync(new URL(file, DIRECTORY), "utf8"),
}));

/** Roles are of the server, not of a database: made before the fixtures are. */
export const schemaFixtureRoles = 'CREATE ROLE reader; CREATE ROLE owning; CREATE ROLE "Role ""Q"""';
