import { readFileSync } from "node:fs";
import type { Environment } from "../config/environment.js";
import { loadDatabases } from "../config/load.js";
import { type ClientLogin, loadServeConfiguration, type ServeConfiguration, type ServeFiles } from "../config/serve.js";
import { isAbsent } from "../config/read-document.js";
import type { Database, Pipeline, ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { displayAddress } from "../postgres/connection.js";
import { readRouting, type Routing, writeRouting } from "./routing-file.js";
import { saveConfiguration } from "./save-configuration.js";
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

  /** Fails with a ConfigurationError or ROUTING_FILE_BROKEN. */
  constructor(files: ServeFiles, environment: Environment) {
    this.#files = files;
    this.#environment = environment;
    this.#configuration = loadServeConfiguration(files, environment);
    this.#routing = readRouting(this.#configuration.stateDirectory);
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

  /** The users of a database, as it is called now; those of the name that applications use go with the name. */
  clientsOf(name: string): readonly ClientLogin[] {
    const served = this.#naming.served.find((each) => each.name === name);
    if (served === undefined) return [];
    const ofName = this.#configuration.clients.filter(({ database }) => database === name);
    const ofServers = this.#configuration.clients.filter(({ database, user }) => database === served.configuredName && !ofName.some((client) => client.user === user));
    return [...ofName, ...ofServers];
  }

  /** The primaries of a database, each with what a user's sessions log in with there. */
  addressesFor(user: string, { name, shards }: Database): readonly ServerAddress[] {
    const login = this.clientsOf(name).find((client) => client.user === user)?.server;
    return shards.map(({ primary }) => ({ ...primary, ...login, ...this.#configuration.ownLogins.get(displayAddress(primary)) }));
  }

  /** The pipeline between two databases as they are called now; its own names are those that never change. */
  pipelineFor({ source, destination, publication, slot }: { readonly source: string; readonly destination: string; readonly publication: string; readonly slot: string | undefined }): Pipeline {
    const [from, to] = [this.#named(source), this.#named(destination)];
    const pipeline = loadDatabases({ ...this.#files, usersOptional: isAbsent(this.#files.users, (path) => readFileSync(path)), from: from.configuredName, to: to.configuredName, publication, slot, stages: [] }, this.#environment);
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
    const [from, to] = [this.#with(pipeline.from), this.#with(pipeline.to)];
    this.prepareSwitch(pipeline);
    const { routing, naming } = this.#next!;
    writeRouting(this.#configuration.stateDirectory, routing);
    this.#routing = routing;
    this.#naming = naming;
    this.#next = undefined;
    if (!pipeline.cutover.saveConfig) return [];
    const notes = saveConfiguration([this.#files.config, this.#files.users], from.configuredName, to.configuredName);
    this.#configuration = { ...loadServeConfiguration(this.#files, this.#environment), stateDirectory: this.#configuration.stateDirectory };
    // The files call them otherwise now; what they are called is what it was.
    this.#naming = { served: servedDatabases(this.#configuration.databases, routing), databases: naming.databases };
    return notes;
  }

  #named(name: string): ServedDatabase {
    const served = this.#naming.served.find((each) => each.name === name);
    if (served !== undefined) return served;
    throw new ReshardError("DATABASE_UNKNOWN", `There is no database "${name}".`, {
      remedy: `The databases are ${this.#naming.served.map((each) => each.name).join(", ")}: correct the name, or add it to [[databases]] and RELOAD.`,
    });
  }

  #with(database: Database): ServedDatabase {
    const servers = serversOf(database).join();
    const served = this.#naming.served.find((each) => serversOf(each.database).join() === servers);
    if (served !== undefined) return served;
    throw new ReshardError("DATABASE_UNKNOWN", `No database of the configuration has the shards ${servers} any more.`, { remedy: "Give [[databases]] the shards it had, and RELOAD." });
  }
}

interface Naming {
  readonly served: readonly ServedDatabase[];
  readonly databases: readonly Database[];
}

function namingOf({ databases }: ServeConfiguration, routing: Routing): Naming {
  const served = servedDatabases(databases, routing);
  return { served, databases: served.map(({ name, database }) => ({ ...database, name })) };
}
