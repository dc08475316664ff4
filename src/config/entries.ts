import type { Place, Problem } from "./configuration-error.js";
import { quoted } from "./configuration-error.js";
import { didYouMean } from "./did-you-mean.js";
import { Substituted, type Environment } from "./environment.js";
import { FLOW_END, OPERATOR, type Grammar } from "./grammar.js";
import type { Path } from "./position-index.js";
import { problemAt, readRow } from "./rows.js";
import { standardTable } from "./sections.js";
import { isTable, type TomlDocument } from "./toml-document.js";
import type { Database, FlowEnd, OperatorEntry } from "./types.js";

/** The entries of `[operators]`, `[sources]` or `[sinks]`. */
export class Entries<Entry> {
  readonly #section: string;
  /** Undefined: it was wrong, which has been reported. */
  readonly #entries: ReadonlyMap<string, Entry | undefined>;
  readonly #used = new Set<string>();

  constructor(section: string, entries: ReadonlyMap<string, Entry | undefined>) {
    this.#section = section;
    this.#entries = entries;
  }

  /** The entry that a stage names; undefined where there is none, or a broken one: that is reported. */
  named(name: string, place: Place, problems: Problem[]): Entry | undefined {
    this.#used.add(name);
    const known = [...this.#entries.keys()];
    if (known.includes(name)) return this.#entries.get(name);
    const expected = known.length === 0 ? `a table [${this.#section}.${name}]` : known.length === 1 ? quoted(known[0]!) : `one of ${known.map(quoted).join(", ")}`;
    problems.push(problemAt(place, "UNKNOWN_ENTRY", `there is no [${this.#section}.${name}]`, expected, didYouMean(name, known)));
    return undefined;
  }

  /** Names of those that no stage names. */
  get unused(): readonly string[] {
    return [...this.#entries.keys()].filter((name) => !this.#used.has(name));
  }
}

/** `[operators.NAME]` of a pipeline file. */
export function operatorEntries(document: TomlDocument, environment: Environment, problems: Problem[]): Entries<OperatorEntry> {
  return entriesOf(document, "operators", OPERATOR, environment, problems, ({ tables }, entry) => ({ ...entry, tables }));
}

/** `[sources.NAME]` or `[sinks.NAME]`. */
export function flowEnds(document: TomlDocument, section: "sources" | "sinks", environment: Environment, problems: Problem[], databaseNamed: (name: string, place: Place) => Database | undefined): Entries<FlowEnd> {
  return entriesOf(document, section, FLOW_END, environment, problems, ({ database }, entry) => ({
    ...entry,
    database: database === undefined ? undefined : databaseNamed(database, entry.places["database"]!),
  }));
}

type Common = Omit<FlowEnd, "database">;

function entriesOf<Row extends { readonly type: string }, Entry>(
  document: TomlDocument,
  section: string,
  grammar: (label: string) => Grammar<Row>,
  environment: Environment,
  problems: Problem[],
  make: (row: Row, common: Common) => Entry,
): Entries<Entry> {
  const table = standardTable(document, section, environment, problems) ?? {};
  const entries = Object.entries(table).map(([name, raw]): [string, Entry | undefined] => {
    const path = [section, name];
    const own = grammar(`[${section}.${name}]`);
    const row = readRow(document, path, raw, own, problems);
    if (row === undefined || !isTable(raw)) return [name, undefined];
    const options = Object.entries(raw).filter(([key]) => !own.keys.includes(key));
    const { places, keyPlaces } = placesIn(document, path, raw);
    return [name, make(row.value, {
      name,
      type: row.value.type,
      options: Object.fromEntries(options.map(([key, value]) => [key, plain(value)])),
      fromEnvironment: options.flatMap(([key, value]) => (isSubstituted(value) ? key : [])),
      place: document.keyAt(path),
      places,
      keyPlaces,
    })];
  });
  return new Entries(section, new Map(entries));
}

/** The places of everything in a table, by the path inside it. */
function placesIn(document: TomlDocument, path: Path, table: unknown): { readonly places: Record<string, Place>; readonly keyPlaces: Record<string, Place> } {
  // Keys may be any name, `__proto__` included.
  const places = Object.create(null) as Record<string, Place>;
  const keyPlaces = Object.create(null) as Record<string, Place>;
  const visit = (inside: Path, value: unknown): void => {
    if (inside.length > 0) {
      places[inside.join(".")] = document.valueAt([...path, ...inside]);
      keyPlaces[inside.join(".")] = document.keyAt([...path, ...inside]);
    }
    if (inside.length > DEEPEST) return;
    if (Array.isArray(value)) value.forEach((element: unknown, index) => { visit([...inside, index], element); });
    else if (isTable(value)) for (const [key, element] of Object.entries(value)) visit([...inside, key], element);
  };
  visit([], table);
  return { places, keyPlaces };
}

/** Deeper than any option has to be, and shallow enough for the stack. */
const DEEPEST = 32;

/** A value without the marks of what came from the environment. */
export function plain(value: unknown, depth = 0): unknown {
  if (value instanceof Substituted) return value.text;
  if (depth > DEEPEST) return value;
  if (Array.isArray(value)) return value.map((element: unknown) => plain(element, depth + 1));
  return isTable(value) ? Object.fromEntries(Object.entries(value).map(([key, element]) => [key, plain(element, depth + 1)])) : value;
}

function isSubstituted(value: unknown, depth = 0): boolean {
  if (value instanceof Substituted) return true;
  if (depth > DEEPEST) return false;
  if (Array.isArray(value)) return value.some((element) => isSubstituted(element, depth + 1));
  return isTable(value) && Object.values(value).some((element) => isSubstituted(element, depth + 1));
}
