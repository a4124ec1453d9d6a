// What the main thread asks of worker threads: named steps, one after the other, answered with
// plain data. Each mode of the load is a table of steps.

import type { MessagePort } from 'node:worker_threads'
import type { LoadOptions } from './options.ts'
import type { Share } from './population.ts'
import type { Received } from './receivers.ts'
import type { Sent } from './senders.ts'

/** What a worker thread is started with. */
export interface WorkerTask {
  readonly options: LoadOptions
  readonly share: Share
  /** Sets the message ids of this run apart. */
  readonly run: string
  /** Where the beats of the pacer come in, in an open loop. */
  readonly beats: MessagePort
}

/** How a worker stands. */
export interface Snapshot {
  readonly sent: Sent
  readonly received: Received
  /** Connections that ended by themselves. */
  readonly dead: number
}

/** The steps of one mode; each worker does its share, and all have done when it resolves. */
interface Steps {
  readonly [name: string]: (argument: number) => Promise<void> | void
}

export interface Work {
  readonly steps: Steps
  snapshot(): Snapshot
}

/** A request of the main thread, and the answer to it. */
export interface Request {
  readonly step: string
  readonly argument: number
}
export interface Answer {
  readonly snapshot: Snapshot
  readonly error?: string
}
