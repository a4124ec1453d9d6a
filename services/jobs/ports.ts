// What services need of a queue of jobs: work that must happen later, and survives crashes.

/** Plain data. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [member: string]: Json }

export interface NewJob {
  /** Names who does it; a constant of the program. */
  readonly kind: string
  /** What to look at, rather than what is so: it may be old when the job runs. At most
   * `payloadBytesMax` bytes as JSON. */
  readonly payload: Json
  /** When to do it, ms since the epoch; a time that has passed means now. */
  readonly runAt: number
  /** Of the jobs of a kind with the same key one runs at a time, and one more waits: while one
   * waits, adding another changes nothing. One that is added while one runs comes after it. */
  readonly key?: string
  /** With a key: one that waits for its time gives way to this one. One that is due stays. */
  readonly replaces?: boolean
  /** How often it is tried before it is dead; 10 if absent. */
  readonly attemptsMax?: number
}

/** What a handler is told of the job it runs. */
interface Attempt {
  /** 1 for the first. */
  readonly attempt: number
  /** Aborted when the handler takes too long, and when the process will not wait for it any more:
   * what it does after that may be done elsewhere as well. */
  readonly signal: AbortSignal
}

/** Does a job. It must bear to do it twice. When it rejects, the job is tried again later. */
export type JobHandler = (payload: Json, attempt: Attempt) => Promise<void>

export interface HandlerOptions {
  /** Most jobs of the kind at a time in this process. */
  readonly concurrency: number
  /** How long one may take, ms; then this attempt has failed. */
  readonly timeoutMs: number
}

/** Ends the taking of jobs of one kind, and resolves when none of them runs here any more. Those
 * that have not ended within `closeGraceMs` are given back, and run again, elsewhere or later.
 * Idempotent. */
export type StopHandling = () => Promise<void>

/** A job that was given up. */
interface DeadJob {
  readonly kind: string
  readonly payload: Json
  /** When it was given up, ms since the epoch. */
  readonly at: number
  readonly reason: string
}

interface JobCount {
  readonly kind: string
  /** Waiting, those that are not due yet included. */
  readonly waiting: number
  readonly running: number
  readonly dead: number
}

/** Jobs run at least once each, in no particular order: also when the process that runs them is
 * killed. A failed attempt is followed by another one, later each time (`retryDelayMs`). A job
 * whose attempts all failed, or that ran in `crashesMax` processes that were killed, is dead: it is
 * kept for `deadKeptMs`, the newest `deadMax` of them. */
export interface JobQueue {
  /** Resolves when the job is durable. Rejects with `StoreFailure` when that cannot be done now, or
   * is not known to have been done; then it may run nevertheless. */
  add(job: NewJob): Promise<void>
  /** Takes back the job that waits under a key; false when there is none. One that runs goes on. */
  cancel(kind: string, key: string): Promise<boolean>
  /** Begins to do the jobs of a kind in this process; once for each kind. */
  handle(kind: string, handler: JobHandler, options: HandlerOptions): StopHandling
  /** Dead jobs of a kind, newest first, `limit` at most. */
  dead(kind: string, limit: number): Promise<readonly DeadJob[]>
  /** How many jobs there are of each kind that this process has added or handles. */
  counts(): Promise<readonly JobCount[]>
  /** Stops all handling, as `StopHandling` does. After that every call rejects. */
  close(): Promise<void>
}
