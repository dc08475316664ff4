import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { ReshardError } from "../errors.js";
import { replaceFile } from "../pipelines/replace-file.js";
import type { Saving } from "./save-configuration.js";

/**
 * Which servers answer to which name. A database's servers are what it is, whatever it is called in the configuration's
 * files: so these may be rewritten with the names exchanged, before or after, and nothing changes.
 */
export interface Routing {
  readonly databases: readonly RoutedDatabase[];
  /** Two databases that were cut over, one way or the other, any number of times. */
  readonly pairs: readonly CutOverPair[];
  /** The configuration's files are being rewritten. Whoever finds this finishes it. */
  readonly saving?: Saving | undefined;
}

export interface CutOverPair {
  /** As `RoutedDatabase.servers`, of both. */
  readonly servers: readonly [readonly string[], readonly string[]];
  /** The name that applications use: whoever has it is in charge. */
  readonly applicationName: string;
}

export const NO_ROUTING: Routing = { databases: [], pairs: [] };

export interface RoutedDatabase {
  /** `host:port/database` of each shard's primary, by shard. */
  readonly servers: readonly string[];
  /** The name it had when it was first cut over: journals and slots go by it. */
  readonly permanentName: string;
  /** The name under which applications reach it. */
  readonly servedName: string;
}

const FILE = z.object({
  version: z.literal(1),
  databases: z.array(z.object({ servers: z.array(z.string()).min(1), permanentName: z.string(), servedName: z.string() })),
  pairs: z.array(z.object({ servers: z.tuple([z.array(z.string()), z.array(z.string())]), applicationName: z.string() })),
  saving: z.object({ names: z.array(z.tuple([z.string(), z.string()])), files: z.array(z.string()) }).optional(),
});

export const ROUTING_FILE_NAME = "pg-reshard.routing.json";

/** What was written last in a state directory; nothing where nothing was. Fails with ROUTING_FILE_BROKEN. */
export function readRouting(stateDirectory: string): Routing {
  const file = path.join(stateDirectory, ROUTING_FILE_NAME);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return NO_ROUTING;
    throw error;
  }
  try {
    return FILE.parse(JSON.parse(text));
  } catch (cause) {
    // To go on without it could send writes to the side that is not in charge.
    throw new ReshardError("ROUTING_FILE_BROKEN", `${file} says which databases were cut over, and cannot be read.`, {
      remedy: "Restore it. If it is lost, find out which side took the last writes, exchange the names in pgdog.toml and users.toml if that is the new one, and remove the file.",
      cause,
    });
  }
}

/** Writes the file so that after a crash it is the old one or the new one, and the new one once this has returned. */
export function writeRouting(stateDirectory: string, routing: Routing): void {
  mkdirSync(stateDirectory, { recursive: true });
  const file = path.join(stateDirectory, ROUTING_FILE_NAME);
  replaceFile(file, `${JSON.stringify({ version: 1, ...routing }, undefined, 2)}\n`);
}
