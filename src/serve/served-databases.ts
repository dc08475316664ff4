import { isDeepStrictEqual } from "node:util";
import type { Database } from "../config/types.js";
import { displayAddress } from "../postgres/connection.js";
import type { Routing } from "./routing-file.js";

/** A configured database under the name at which applications reach it now. */
export interface ServedDatabase {
  readonly name: string;
  /** As journals and slots know it. */
  readonly permanentName: string;
  /** As the files name it. */
  readonly configuredName: string;
  readonly database: Database;
}

/** Who answers to which name: the routing file's word counts, the files' where it is silent. */
export function servedDatabases(databases: readonly Database[], routing: Routing): readonly ServedDatabase[] {
  return databases.map((database) => {
    const servers = serversOf(database);
    const routed = routing.databases.find((candidate) => isDeepStrictEqual(candidate.servers, servers));
    return { name: routed?.servedName ?? database.name, permanentName: routed?.permanentName ?? database.name, configuredName: database.name, database };
  });
}

/** The routing with two databases' names exchanged. Of others it says what it said: their names are the files'. */
export function swappedRouting(routing: Routing, one: ServedDatabase, other: ServedDatabase): Routing {
  const swapped = [
    { servers: serversOf(one.database), permanentName: one.permanentName, servedName: other.name },
    { servers: serversOf(other.database), permanentName: other.permanentName, servedName: one.name },
  ];
  const others = routing.databases.filter(({ servers }) => !swapped.some((each) => isDeepStrictEqual(each.servers, servers)));
  return { databases: [...others, ...swapped] };
}

/** What a database is, whatever its name. */
export function serversOf(database: Database): string[] {
  return database.shards.map(({ primary }) => displayAddress(primary));
}
