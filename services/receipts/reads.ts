// Read marks on their way to the store: those that come while a write is under way go together with
// the next one.

import { makeGroups } from '../log/groups.ts'
import type { MarkUpdate, ReceiptStore } from './ports.ts'

/** Stores a mark; resolves when it is durable, rejects with `StoreFailure` when it could not be
 * stored in time. Bounded by its callers: a connection waits for its mark. */
export type SaveRead = (mark: MarkUpdate) => Promise<void>

interface Waiting {
  readonly mark: MarkUpdate
  resolve(): void
  reject(error: unknown): void
}

/** Makes the grouping. `attempt` does store work, and waits while the store fails as it does for a
 * message. */
export function makeSaveRead(
  store: Pick<ReceiptStore, 'raise'>,
  attempt: <Result>(work: () => Promise<Result>) => Promise<Result>,
): SaveRead {
  const { add } = makeGroups<Waiting>(async (group) => {
    try {
      await attempt(() => store.raise(group.map(({ mark }) => mark)))
      for (const { resolve } of group) resolve()
    } catch (error) {
      for (const { reject } of group) reject(error)
    }
  })
  return (mark) => new Promise((resolve, reject) => add({ mark, resolve, reject }))
}
