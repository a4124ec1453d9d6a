// What identity needs of a store and of the place that keeps keys.

export interface UserStore {
  /** Makes a user; the hash is absent for one who has no password (tokens only). */
  createUser(user: string, passwordHash: string | undefined): Promise<'created' | 'exists'>
  /** The password hash of a user; `undefined` when there is no such user, `null` when the user has
   * no password. */
  passwordHash(user: string): Promise<string | null | undefined>
  userExists(user: string): Promise<boolean>
  /** What the user has chosen; undefined when there is no such user. */
  settings(user: string): Promise<UserSettings | undefined>
  /** Stores what the user has chosen; nothing happens when there is no such user. */
  saveSettings(user: string, settings: UserSettings): Promise<void>
}

/** What a user may choose. `readReceipts`: who sees what the user has read. */
export interface UserSettings {
  readonly readReceipts: 'everyone' | 'nobody'
}

/** A private signing key as a JWK (RFC 7517) with `kid` and `alg`. Secret. */
export interface SigningKey {
  readonly kid: string
  readonly alg: string
  readonly [member: string]: unknown
}
