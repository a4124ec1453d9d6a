// Read marks on their way to the store: those that come while a write is under way go together with
// the next one.

import type { MarkUpdate, ReceiptStore } from './ports.ts'

/** Stores a mark; resolves when it is durable, rejects with `StoreFailure` when it could not be
 * stored in time. Bounded by its callers: a connection waits for its mark. */
export type SaveRead = (mark: MarkUpdate) => Promise<void>

interface Waiting {
  readonly mark: MarkUpdate
  resolve(): void
  reject(error: unknown): void
}

const marksPerWrite = 1000

/** Makes the grouping. `attempt` does store work, and waits while the store fails as it does for a
 * message. */
export function makeSaveRead(
  store: Pick<ReceiptStore, 'raise'>,
  attempt: <Result>(work: () => Promise<Result>) => Promise<Result>,
): SaveRead {
  let waiting: Waiting[] = []
  let isWriting = false

  const write = async (batch: readonly Waiting[]) => {
    try {
      await attempt(() => store.raise(batch.map(({ mark }) => mark)))
      for (const { resolve } of batch) resolve()
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  const run = async () => {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, marksPerWrite)
      waiting = waiting.slice(marksPerWrite)
      await write(batch)
    }
    isWriting = false
  }

  return (mark) =>
    new Promise((resolve, reject) => {
      waiting.push({ mark, resolve, reject })
      if (isWriting) return
      isWriting = true
      // What this turn brings goes together.
      setImmediate(() => void run())
    })
}
