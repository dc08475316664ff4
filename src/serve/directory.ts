import { readFileSync } from "node:fs";
import path from "node:path";
import type { Environment } from "../config/environment.js";
import { loadDatabases } from "../config/load.js";
import { type ClientLogin, loadServeConfiguration, type ServeConfiguration, type ServeFiles } from "../config/serve.js";
import { isAbsent } from "../config/read-document.js";
import type { Database, Pipeline, ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { displayAddress } from "../postgres/connection.js";
import { reasonOf } from "../postgres/server-errors.js";
import { readRouting, type Routing, ROUTING_FILE_NAME, writeRouting } from "./routing-file.js";
import { beginSaving, finishSaving, type Saving } from "./save-configuration.js";
import { inChargeOf, type ServedDatabase, servedDatabases, serversOf, swappedRouting } from "./served-databases.js";

/** What the databases are called, by files and routing file together, and what follows from it. */
export class Directory {
  readonly #files: ServeFiles;
  readonly #environment: Environment;
  #configuration: ServeConfiguration;
  #routing: Routing;
  #naming: Naming;
  /** What the names will be after a switch that is being prepared. */
  #next: { readonly pipeline: Pick<Pipeline, "from" | "to">; readonly routing: Routing; readonly naming: Naming } | undefined;

  /** Fails with a ConfigurationError, ROUTING_FILE_BROKEN or NAME_TAKEN. Finishes what a killed process did not save. */
  constructor(files: ServeFiles, environment: Environment) {
    this.#files = files;
    this.#environment = environment;
    this.#configuration = loadServeConfiguration(files, environment);
    const { saving, ...routing } = readRouting(this.#configuration.stateDirectory);
    this.#routing = routing;
    if (saving !== undefined) {
      const notes = this.#save(saving);
      this.#configuration = loadServeConfiguration(files, environment);
      this.#configuration = { ...this.#configuration, notes: [...this.#configuration.notes, ...notes] };
    }
    this.#naming = namingOf(this.#configuration, this.#routing);
  }

  get configuration(): ServeConfiguration {
    return this.#configuration;
  }

  /** Under the names by which applications and operators call them; the same objects until something changes. */
  get databases(): readonly Database[] {
    return this.#naming.databases;
  }

  /** Reads the files anew; nothing changes where they have mistakes. */
  reload(): void {
    const configuration = loadServeConfiguration(this.#files, this.#environment);
    // Who is in charge is this process's to say while it runs: its own file is what it wrote.
    this.#configuration = { ...configuration, stateDirectory: this.#configuration.stateDirectory };
    this.#naming = namingOf(this.#configuration, this.#routing);
    this.#next = undefined;
  }

  /**
   * The users of a database, as it is called now: of its servers, and of the name that applications use, whether the files
   * have been saved since a cutover or not. Those of the servers are first: sessions log in there with what is theirs.
   */
  clientsOf(name: string): readonly ClientLogin[] {
    const served = this.#naming.served.find((each) => each.name === name);
    if (served === undefined) return [];
    const formerly = this.#naming.served.find(({ permanentName }) => permanentName === name);
    const names = new Set([served.configuredName, name, formerly?.configuredName]);
    return [...names].flatMap((each) => this.#configuration.clients.filter(({ database }) => database === each));
  }

  /** The primaries of a database, each with what a user's sessions log in with there. */
  addressesFor(user: string, { name, shards }: Database): readonly ServerAddress[] {
    const login = this.clientsOf(name).find((client) => client.user === user)?.server;
    return shards.map(({ primary }) => ({ ...primary, ...login, ...this.#configuration.ownLogins.get(displayAddress(primary)) }));
  }

  /** The pipeline between two databases as they are called now; its own names are those that never change. */
  pipelineFor({ source, destination, publication, slot }: { readonly source: string; readonly destination: string; readonly publication: string; readonly slot: string | undefined }): Pipeline {
    const [from, to] = [this.#named(source), this.#named(destination)];
    // The files may have been saved, or edited, since they were loaded.
    const inFiles = servedDatabases(loadServeConfiguration(this.#files, this.#environment).databases, this.#routing);
    const [fromName, toName] = [withServersOf(from.database, inFiles).configuredName, withServersOf(to.database, inFiles).configuredName];
    const pipeline = loadDatabases({ ...this.#files, usersOptional: this.#withoutUsers, from: fromName, to: toName, publication, slot, stages: [] }, this.#environment);
    return { ...pipeline, from: { ...pipeline.from, name: from.permanentName }, to: { ...pipeline.to, name: to.permanentName } };
  }

  /** What the pipeline's two databases are called now. */
  namesOf({ from, to }: Pick<Pipeline, "from" | "to">): readonly [string, string] {
    return [this.#with(from).name, this.#with(to).name];
  }

  /** Which of the two applications reach, as it would be after a crash. */
  inCharge({ from, to }: Pick<Pipeline, "from" | "to">): "source" | "destination" {
    return inChargeOf(this.#routing, this.#with(from), this.#with(to));
  }

  /** The databases as they will be once `switch` was called for the pipeline: `switch` makes these very objects its `databases`. */
  prepareSwitch(pipeline: Pick<Pipeline, "from" | "to">): readonly Database[] {
    if (this.inCharge(pipeline) === "destination") return this.databases;
    if (this.#next?.pipeline !== pipeline) {
      const routing = swappedRouting(this.#routing, this.#with(pipeline.from), this.#with(pipeline.to));
      this.#next = { pipeline, routing, naming: namingOf(this.#configuration, routing) };
    }
    return this.#next.naming.databases;
  }

  /**
   * Gives the name that applications use to the pipeline's destination, durably; where it has it nothing happens.
   *
   * @returns what a person should know
   */
  switch(pipeline: Pipeline): string[] {
    if (this.inCharge(pipeline) === "destination") return [];
    this.prepareSwitch(pipeline);
    const { routing, naming } = this.#next!;
    const { saving, notes } = pipeline.cutover.saveConfig ? this.#beginSaving(routing) : { saving: undefined, notes: [] };
    writeRouting(this.#configuration.stateDirectory, saving === undefined ? routing : { ...routing, saving });
    // Nothing may fail from here on: the destination is in charge.
    this.#routing = routing;
    this.#naming = naming;
    this.#next = undefined;
    return saving === undefined ? notes : [...notes, ...this.#save(saving)];
  }

  /** What makes the files, as they are now, say what the routing says. */
  #beginSaving(routing: Routing): ReturnType<typeof beginSaving> {
    try {
      const served = servedDatabases(loadServeConfiguration(this.#files, this.#environment).databases, routing);
      const names = new Map(served.filter(({ name, configuredName }) => name !== configuredName).map(({ name, configuredName }) => [configuredName, name]));
      return beginSaving(this.#withoutUsers ? [this.#files.config] : [this.#files.config, this.#files.users], names);
    } catch (error) {
      return { saving: undefined, notes: [`The configuration files have mistakes, and were left as they are; the routing file says who is in charge: ${reasonOf(error)}`] };
    }
  }

  /** The routing is noted, with this. */
  #save(saving: Saving): string[] {
    const notes = finishSaving(saving);
    try {
      writeRouting(this.#configuration.stateDirectory, this.#routing);
    } catch {
      // The next process finds that there is nothing left to do.
    }
    return notes;
  }

  get #withoutUsers(): boolean {
    return this.#files.usersOptional === true && isAbsent(this.#files.users, (file) => readFileSync(file));
  }

  #named(name: string): ServedDatabase {
    const served = this.#naming.served.find((each) => each.name === name);
    if (served !== undefined) return served;
    throw new ReshardError("DATABASE_UNKNOWN", `There is no database "${name}".`, {
      remedy: `The databases are ${this.#naming.served.map((each) => each.name).join(", ")}: correct the name, or add it to [[databases]] and RELOAD.`,
    });
  }

  #with(database: Database): ServedDatabase {
    return withServersOf(database, this.#naming.served);
  }
}

function withServersOf(database: Database, among: readonly ServedDatabase[]): ServedDatabase {
  const servers = serversOf(database).join();
  const served = among.find((each) => serversOf(each.database).join() === servers);
  if (served !== undefined) return served;
  throw new ReshardError("DATABASE_UNKNOWN", `No database of the configuration has the shards ${servers} any more.`, { remedy: "Give [[databases]] the shards it had, and RELOAD." });
}

interface Naming {
  readonly served: readonly ServedDatabase[];
  readonly databases: readonly Database[];
}

/** Fails with NAME_TAKEN. */
function namingOf({ databases, stateDirectory }: ServeConfiguration, routing: Routing): Naming {
  const served = servedDatabases(databases, routing);
  for (const [index, one] of served.entries()) {
    const other = served.slice(index + 1).find(({ name }) => name === one.name);
    if (other === undefined) continue;
    throw new ReshardError("NAME_TAKEN", `"${one.name}" would be ${serversOf(one.database).join()} as well as ${serversOf(other.database).join()}: ${path.join(stateDirectory, ROUTING_FILE_NAME)} and [[databases]] do not fit.`, {
      remedy: "A database that was cut over goes by its servers: write host, port and database_name as they were then. If it is on other servers now, give each database in [[databases]] the name that it is to have, and remove the routing file.",
    });
  }
  return { served, databases: served.map(({ name, database }) => ({ ...database, name })) };
}
