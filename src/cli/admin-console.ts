import pg from "pg";
import { ReshardError } from "../errors.js";
import { reasonOf, sqlState } from "../postgres/server-errors.js";
import type { TextRows } from "./view/records.js";

/** Where the admin database is, and who may log in. */
export interface AdminAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** Of the database. */
  readonly name: string;
  readonly user: string;
  readonly password: string | undefined;
}

/** What a command answered. */
export interface AdminResult {
  readonly tag: string;
  /** Undefined where the command answers with no rows. */
  readonly rows: TextRows | undefined;
  /** The same for programs: numbers as numbers, NULL as null. */
  readonly objects: readonly Readonly<Record<string, unknown>>[];
}

const INT8 = 20;
const BOOL = 16;
const FLOAT8 = 701;
/** Stand on the right. */
const NUMBERS = new Set([INT8, 23, FLOAT8]);

const CONNECT_MILLISECONDS = 10_000;

/** Types each command into the admin database, in one session; `onNotice` hears what it is told beside the answers. */
export async function adminConsole(address: AdminAddress, commands: readonly string[], onNotice: (message: string) => void): Promise<AdminResult[]> {
  const client = await connect(address);
  client.on("notice", ({ message }) => { if (message !== undefined) onNotice(message); });
  try {
    const results: AdminResult[] = [];
    for (const text of commands) {
      const answers = await client.query<(string | null)[]>({ text, rowMode: "array", types: { getTypeParser: () => (value: string) => value } }).catch((error: unknown) => {
        throw commandError(text, error);
      });
      results.push(...[answers].flat().map(resultOf));
    }
    return results;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function connect(address: AdminAddress): Promise<pg.Client> {
  const { host, port, name, user, password, tls } = address;
  if (password === undefined) {
    throw new ReshardError("ADMIN_PASSWORD_MISSING", "[admin] has no password: nobody can log in to the admin database.", { remedy: "Set password in [admin] of the configuration, and restart pg-reshard serve." });
  }
  // The certificate may be anybody's; the server proves by SCRAM that it knows the password too.
  const client = new pg.Client({ host, port, database: name, user, password, application_name: "pg-reshard admin", connectionTimeoutMillis: CONNECT_MILLISECONDS, ...(tls ? { ssl: { rejectUnauthorized: false } } : {}) });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return client;
  } catch (cause) {
    await client.end().catch(() => undefined);
    const server = `${host}:${port}/${name}`;
    if (sqlState(cause)?.startsWith("28") === true) {
      throw new ReshardError("LOGIN_REFUSED", `The admin database ${server} refused the login of user "${user}": ${reasonOf(cause)}.`, { remedy: "See that user and password in [admin] are those that pg-reshard serve was started with.", place: { server }, cause });
    }
    throw new ReshardError("SERVER_UNREACHABLE", `Cannot connect to the admin database ${server}: ${reasonOf(cause)}.`, { remedy: "Start pg-reshard serve with the same configuration, or name its place with --host and --port.", place: { server }, cause });
  }
}

function resultOf({ command, fields, rows }: pg.QueryArrayResult<(string | null)[]>): AdminResult {
  const numbers = new Set(fields.filter(({ dataTypeID }) => NUMBERS.has(dataTypeID)).map(({ name }) => name));
  return {
    tag: command,
    rows: fields.length === 0 ? undefined : { columns: fields.map(({ name }) => name), numbers, rows: rows.map((row) => row.map((value) => value ?? undefined)) },
    objects: rows.map((row) => Object.fromEntries(fields.map(({ name, dataTypeID }, index) => [name, valueOf(row[index]!, dataTypeID)]))),
  };
}

function valueOf(text: string | null, type: number): unknown {
  if (text === null) return null;
  return NUMBERS.has(type) ? Number(text) : type === BOOL ? text === "t" : text;
}

/** The server's words, place and hint; its code where it told one. */
function commandError(command: string, error: unknown): ReshardError {
  if (!(error instanceof pg.DatabaseError)) return new ReshardError("CONNECTION_LOST", `The admin database was lost: ${reasonOf(error)}.`, { remedy: "See whether pg-reshard serve runs. Tasks go on when it is started again.", cause: error });
  const code = /^pg-reshard error ([A-Z_]+)$/.exec(error.detail ?? "")?.[1] ?? (error.code === "42601" ? "SYNTAX_ERROR" : "COMMAND_REFUSED");
  const where = error.position === undefined ? "" : ` (at character ${error.position} of "${command}")`;
  return new ReshardError(code, `${error.message}${where}`, { remedy: error.hint ?? "SHOW HELP lists the commands, and what each is given." });
}
