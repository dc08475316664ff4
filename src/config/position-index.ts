import { parseTOML, type AST } from "toml-eslint-parser";

/** Table and key names, and indexes of arrays, from the top of a document. */
export type Path = readonly (string | number)[];

/** 1-based. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Where each key and each value of a TOML text stands. */
export interface PositionIndex {
  /** The key itself; for a table its header; for an array's element the element. */
  readonly keyAt: (path: Path) => Position;
  /** The value; for a table its header. What is not in the text has the place of the nearest table around it. */
  readonly valueAt: (path: Path) => Position;
}

/** The grammar is three levels deep; an absurdly deep text must not cost memory. */
const DEEPEST = 32;

/** Throws what `toml-eslint-parser` throws on a text that is not TOML 1.1. */
export function positionIndex(text: string): PositionIndex {
  const keys = new Map<string, Position>();
  const values = new Map<string, Position>();

  const mark = (path: Path, key: AST.HasLocs, value: AST.HasLocs): void => {
    const name = JSON.stringify(path);
    // The first mention wins: `[a.b]` also opens `a`.
    if (!keys.has(name)) keys.set(name, positionOf(key));
    if (!values.has(name)) values.set(name, positionOf(value));
  };

  const visitValue = (path: Path, node: AST.TOMLContentNode): void => {
    if (path.length > DEEPEST) return;
    if (node.type === "TOMLArray") {
      node.elements.forEach((element, index) => {
        mark([...path, index], element, element);
        visitValue([...path, index], element);
      });
    } else if (node.type === "TOMLInlineTable") {
      for (const pair of node.body) visitPair(path, pair);
    }
  };

  const visitPair = (table: Path, pair: AST.TOMLKeyValue): void => {
    const segments = pair.key.keys;
    let path = table;
    for (const [index, segment] of segments.entries()) {
      if (path.length > DEEPEST) return;
      path = [...path, segment.type === "TOMLBare" ? segment.name : segment.value];
      mark(path, segment, index === segments.length - 1 ? pair.value : segment);
    }
    visitValue(path, pair.value);
  };

  for (const node of parseTOML(text, { tomlVersion: "1.1" }).body[0].body) {
    if (node.type === "TOMLKeyValue") {
      visitPair([], node);
      continue;
    }
    const path = node.resolvedKey;
    for (let length = 1; length <= Math.min(path.length, DEEPEST); length++) mark(path.slice(0, length), node, node);
    for (const pair of node.body) visitPair(path, pair);
  }

  const nearest = (places: ReadonlyMap<string, Position>, path: Path): Position => {
    const found = places.get(JSON.stringify(path.slice(0, DEEPEST)));
    if (found !== undefined) return found;
    return path.length === 0 ? { line: 1, column: 1 } : nearest(values, path.slice(0, Math.min(path.length, DEEPEST) - 1));
  };
  return { keyAt: (path) => nearest(keys, path), valueAt: (path) => nearest(values, path) };
}

function positionOf(node: AST.HasLocs): Position {
  return { line: node.loc.start.line, column: node.loc.start.column + 1 };
}
