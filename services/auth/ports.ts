// What identity needs of a store and of the place that keeps keys.

export interface UserStore {
  /** Makes a user; the hash is absent for one who has no password (tokens only). */
  createUser(user: string, passwordHash: string | undefined): Promise<'created' | 'exists'>
  /** The password hash of a user; `undefined` when there is no such user, `null` when the user has
   * no password. */
  passwordHash(user: string): Promise<string | null | undefined>
  userExists(user: string): Promise<boolean>
}

/** A private signing key as a JWK (RFC 7517) with `kid` and `alg`. Secret. */
export interface SigningKey {
  readonly kid: string
  readonly alg: string
  readonly [member: string]: unknown
}
