const TITLES: Readonly<Record<string, string>> = {
  "schema_sync:pre": "schema pre",
  "schema_sync:key": "schema key",
  "schema_sync:post": "schema post",
  "schema_sync:cutover": "cutover",
  "schema_sync:post-cutover": "way back",
  // No stage of its own: at the end of streaming.
  "schema_sync:validate": "foreign keys",
};

/** `schema_sync:pre` as people read it: `schema pre`; a flow by its ends, `users>file`. */
export function stageTitle(stage: string): string {
  return TITLES[stage] ?? stage.replace(/^flow:/, "");
}
