// The log lines' interface, so that no service depends on a logging library. pino satisfies it.

type Write = (context: object, message: string) => void

/** Structured log lines for the operator. The context never holds secrets or message content. */
export interface Logger {
  readonly debug: Write
  readonly info: Write
  readonly warn: Write
  readonly error: Write
}
