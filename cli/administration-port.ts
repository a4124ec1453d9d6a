// What an administrator does, the same whether the server runs (over its HTTP API) or is stopped
// (in its data folder).

import type { TopicGrants } from '../protocol/grants.ts'

export interface IssuedToken {
  readonly token: string
  /** When it ends, ms since the epoch. */
  readonly expiresAt: number
}

interface NewGroupRequest {
  readonly group: string
  readonly title: string | undefined
  /** At least one; the first becomes the owner. */
  readonly members: readonly string[]
}

/** Refusals are `Refusal`, with the codes of the catalogue. */
export interface Administration {
  /** Makes a user; without a password the user can only use tokens. `user-exists`. */
  addUser(user: string, password: string | undefined): Promise<void>
  /** A token for a user; `undefined` takes the configured lifetime, and opens no plain topics.
   * `unknown-user`. */
  issueToken(
    user: string,
    ttlSeconds: number | undefined,
    topics?: TopicGrants,
  ): Promise<IssuedToken>
  /** Makes a group with its members, all or nothing. `group-exists`, `unknown-user`. */
  addGroup(request: NewGroupRequest): Promise<void>
  close(): Promise<void>
}
