/**
 * How values travel. `binary`: as the type's send function gives them; `text`: as its output function does, which all
 * versions and kinds of servers read.
 */
export type ValueFormat = "binary" | "text";
