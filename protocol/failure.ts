// The failure of an engine, as services see it: what may pass by itself, apart from what is a bug.

/** Something outside that a person must mend before the server can start: a file that is damaged,
 * open to others, or of a newer version. The message says what is wrong and what to do. */
export class OperatorFault extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'OperatorFault'
  }
}

/** An engine (store, bus, …) could not do its work now: disk full, database locked, connection
 * lost. The same request may succeed later. The message is for the operator's log only. */
export class StoreFailure extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'StoreFailure'
  }
}
