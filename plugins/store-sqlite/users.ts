// Users: made once, never removed.

import type { UserSettings } from '../../services/auth/ports.ts'
import type { SqlDriver } from './driver.ts'
import type { Transact } from './transaction.ts'

/** The writing half of `UserStore`. */
export interface UserWrites {
  createUser(user: string, passwordHash: string | undefined, at: number): 'created' | 'exists'
  saveSettings(user: string, settings: UserSettings): void
}

/** The reading half of `UserStore`. */
export interface UserReads {
  passwordHash(user: string): string | null | undefined
  userExists(user: string): boolean
  settings(user: string): UserSettings | undefined
}

export function makeUserWrites(driver: SqlDriver, transact: Transact): UserWrites {
  const insert = driver.prepare(`
    INSERT INTO users (id, password_hash, created_at) VALUES (?, ?, ?)
    ON CONFLICT (id) DO NOTHING`)
  const update = driver.prepare('UPDATE users SET hides_reads = ? WHERE id = ?')
  return {
    createUser(user, passwordHash, at) {
      const { changes } = transact(() => insert.run([user, passwordHash ?? null, at]))
      return changes === 1 ? 'created' : 'exists'
    },
    saveSettings(user, { readReceipts }) {
      transact(() => update.run([readReceipts === 'nobody' ? 1 : 0, user]))
    },
  }
}

export function makeUserReads(driver: SqlDriver): UserReads {
  const select = driver.prepare<{ hash: string | null }>(
    'SELECT password_hash AS hash FROM users WHERE id = ?',
  )
  const selectSettings = driver.prepare<{ hides: number }>(
    'SELECT hides_reads AS hides FROM users WHERE id = ?',
  )
  return {
    passwordHash: (user) => select.get([user])?.hash,
    userExists: (user) => select.get([user]) !== undefined,
    settings(user) {
      const row = selectSettings.get([user])
      return row && { readReceipts: row.hides === 1 ? 'nobody' : 'everyone' }
    },
  }
}
