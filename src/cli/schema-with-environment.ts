/** A JSON Schema, or a part of one. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A text that the environment has a part in. */
const FROM_ENVIRONMENT: JsonSchema = { type: "string", pattern: "\\$\\{" };

/** The schema of what may also come from the environment: of everything that is not any text at all. */
export function withEnvironment(schema: JsonSchema): JsonSchema {
  const { type } = schema;
  if (type === "array" && isSchema(schema["items"])) return { ...schema, items: withEnvironment(schema["items"]) };
  if (type === "object") {
    return {
      ...schema,
      ...(isSchema(schema["properties"]) ? { properties: withEnvironmentAll(schema["properties"] as Readonly<Record<string, JsonSchema>>) } : {}),
      ...(isSchema(schema["additionalProperties"]) ? { additionalProperties: withEnvironment(schema["additionalProperties"]) } : {}),
    };
  }
  if (Array.isArray(schema["anyOf"])) {
    const ways = schema["anyOf"] as readonly JsonSchema[];
    return { ...schema, anyOf: ways.some((way) => !isClosed(way)) ? ways : [...ways, FROM_ENVIRONMENT] };
  }
  if (!isClosed(schema)) return schema;
  const { default: byDefault, description, ...own } = schema;
  return { ...(description === undefined ? {} : { description }), ...(byDefault === undefined ? {} : { default: byDefault }), anyOf: [own, FROM_ENVIRONMENT] };
}

export function withEnvironmentAll(properties: Readonly<Record<string, JsonSchema>> = {}): Readonly<Record<string, JsonSchema>> {
  return Object.fromEntries(Object.entries(properties).map(([key, schema]) => [key, withEnvironment(schema)]));
}

/** Does it refuse some texts that hold `${`? */
function isClosed(schema: JsonSchema): boolean {
  const { type } = schema;
  if (typeof type === "string" && type !== "string") return true;
  // An empty text holds no `${`.
  return ["enum", "const", "pattern", "format", "maxLength"].some((key) => key in schema) || Number(schema["minLength"] ?? 0) > "${A}".length;
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null;
}
