// From the ids of the protocol to the integer keys of the tables, remembered within a bound.
// Users and conversations are never removed, so a remembered key stays true.

import { makeBoundedMap } from '../../protocol/bounded-map.ts'
import type { SqlDriver } from './driver.ts'

/** The key of an id; undefined when there is no such row. */
export type FindKey = (id: string) => number | undefined

const keysMax = 100_000

/** Finds keys of users or conversations on this connection. Must not be asked inside a transaction
 * that made the row: a rollback would leave a key that means nothing. */
export function makeFindKey(driver: SqlDriver, table: 'users' | 'conversations'): FindKey {
  const select = driver.prepare<{ key: number }>(`SELECT key FROM ${table} WHERE id = ?`)
  const known = makeBoundedMap<string, number>(keysMax)
  return (id) => {
    const remembered = known.get(id)
    if (remembered !== undefined) return remembered
    const key = select.get([id])?.key
    if (key !== undefined) known.set(id, key)
    return key
  }
}
