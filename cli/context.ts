// What the commands get from the process, so that only main.ts touches it.

export interface Context {
  readonly version: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly input: NodeJS.ReadableStream
  /** Results. */
  readonly output: NodeJS.WritableStream
  /** Errors and remarks. */
  readonly diagnostics: NodeJS.WritableStream
}
