// Loads: callers that submit single messages to a collector which commits them in groups, the way
// the log service does, and now and then a reader.

import type { NewEntry } from '../../protocol/entry.ts'
import type { LogStore } from '../../services/log/ports.ts'

export interface Load {
  readonly name: string
  /** Callers that each wait for their commit before the next message; 0 for an open loop. */
  readonly callers: number
  /** Messages a second of an open loop. */
  readonly perSecond: number
  /** Pages of 50 entries read a second, beside the appends. */
  readonly readsPerSecond: number
}

export const loads: readonly Load[] = [
  { name: '400 callers', callers: 400, perSecond: 0, readsPerSecond: 0 },
  { name: '2000/s', callers: 0, perSecond: 2000, readsPerSecond: 0 },
  { name: '50 callers', callers: 50, perSecond: 0, readsPerSecond: 0 },
  { name: '2000/s + 500 pages/s', callers: 0, perSecond: 2000, readsPerSecond: 500 },
]

const batchMax = 500

export type Submit = (entry: NewEntry) => Promise<void>

/** Group commit: what came in one turn of the loop is one batch; one batch is in flight. */
export function makeCollector(append: LogStore['append']): Submit {
  let queue: { entry: NewEntry; done: () => void }[] = []
  let running = false
  const run = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = queue.slice(0, batchMax)
      queue = queue.slice(batchMax)
      await append(
        batch.map(({ entry }) => entry),
        Date.now(),
      )
      for (const { done } of batch) done()
      await new Promise((resolve) => setImmediate(resolve))
    }
    running = false
  }
  return (entry) =>
    new Promise((resolve) => {
      queue.push({ entry, done: resolve })
      if (running) return
      running = true
      setImmediate(() => void run())
    })
}

/** Calls `once` `perSecond` times a second, evenly as far as the timer allows, until stopped. */
export function repeat(perSecond: number, once: () => void): () => void {
  if (perSecond === 0) return () => undefined
  const start = performance.now()
  let called = 0
  const timer = setInterval(() => {
    const due = ((performance.now() - start) / 1000) * perSecond
    for (; called < due; called++) once()
  }, 1)
  return () => clearInterval(timer)
}
