// Accounts: who may have a token. Registers users, checks their passwords, and answers alike
// whether a name or a password was wrong.

import { Refusal } from '../../protocol/errors.ts'
import type { TopicGrants } from '../../protocol/grants.ts'
import { isId } from '../../protocol/ids.ts'
import type { Passwords } from './passwords.ts'
import type { UserStore } from './ports.ts'
import type { IssuedToken, Tokens } from './tokens.ts'

export interface Accounts {
  /** Makes a user with a password and returns a token. Throws a Refusal: `user-exists`;
   * `invalid-request` for an id or a password out of bounds; `rate-limited`. */
  register(user: string, password: string): Promise<IssuedToken>
  /** A token for a user and password. Throws `Refusal('invalid-credentials')`, after the same time
   * and with the same words, for an unknown user, a user without a password, a wrong password. */
  login(user: string, password: string): Promise<IssuedToken>
  /** Makes a user; without a password only an administrator can get a token for them. Throws like
   * `register`. */
  addUser(user: string, password?: string): Promise<void>
  /** A token for a user without asking for a password: for administrators. Throws
   * `Refusal('unknown-user')`. Lives for `ttlSeconds`, or as long as other tokens do, and opens
   * the plain topics that are given. */
  tokenFor(user: string, ttlSeconds?: number, topics?: TopicGrants): Promise<IssuedToken>
}

export interface AccountsParts {
  readonly users: UserStore
  readonly tokens: Pick<Tokens, 'issue'>
  readonly passwords: Passwords
}

export function makeAccounts({ users, tokens, passwords }: AccountsParts): Accounts {
  async function addUser(user: string, password?: string): Promise<void> {
    if (!isId(user)) {
      throw new Refusal(
        'invalid-request',
        'A user id has 1 to 128 bytes without / + # $, spaces or control characters.',
      )
    }
    // Asked first, so that a name that is taken does not cost a hash.
    if (await users.userExists(user)) throw new Refusal('user-exists')
    const hash = password === undefined ? undefined : await passwords.hash(password)
    if ((await users.createUser(user, hash)) === 'exists') throw new Refusal('user-exists')
  }

  return {
    addUser,

    async register(user, password) {
      await addUser(user, password)
      return tokens.issue(user)
    },

    async login(user, password) {
      const stored = isId(user) ? await users.passwordHash(user) : undefined
      if (!(await passwords.verify(password, stored))) throw new Refusal('invalid-credentials')
      return tokens.issue(user)
    },

    async tokenFor(user, ttlSeconds, topics) {
      if (!isId(user) || !(await users.userExists(user))) throw new Refusal('unknown-user')
      return tokens.issue(user, ttlSeconds, topics)
    },
  }
}
