// Guards of the routes: who is asking. A route names one of them as its `onRequest` hook, so that
// nobody's body is read before it is known who sent it.

import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { Refusal } from '../../protocol/errors.ts'
import type { Tokens } from '../auth/tokens.ts'

type Guard = (request: FastifyRequest) => Promise<void>

export interface Guards {
  /** Lets a user with a valid token pass; `userOf` then tells which. */
  readonly requireUser: Guard
  /** Lets the bearer of the administrator's token pass. A user's token is `not-authorized`. */
  readonly requireAdmin: Guard
}

/** The name of the request's decorator that holds the user. */
export const userDecorator = 'parleyUser'

/** Makes the guards. `adminToken` is compared in constant time. */
export function makeGuards(tokens: Pick<Tokens, 'verify'>, adminToken: string): Guards {
  const isAdmin = makeSecretCheck(adminToken)
  return {
    async requireUser(request) {
      const { user } = await tokens.verify(bearerOf(request))
      request.setDecorator(userDecorator, user)
    },
    async requireAdmin(request) {
      const bearer = bearerOf(request)
      if (isAdmin(bearer)) return
      await tokens.verify(bearer)
      throw new Refusal('not-authorized', 'This needs the administrator’s token.')
    },
  }
}

/** The user a request of a `requireUser` route comes from. */
export function userOf(request: FastifyRequest): string {
  return request.getDecorator<string>(userDecorator)
}

/** The bearer token of a request (RFC 6750, section 2.1). */
function bearerOf(request: FastifyRequest): string {
  const bearer = bearerIn(request.headers.authorization)
  if (bearer !== undefined) return bearer
  throw new Refusal('invalid-token', 'Send a token in the header Authorization: Bearer <token>.')
}

/** The bearer token of an `Authorization` header; undefined when it holds none. */
export function bearerIn(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^Bearer +([\w.~+/-]+=*) *$/i.exec(header)?.[1]
}

/** Makes the comparison with a secret, in constant time. */
export function makeSecretCheck(secret: string): (text: string) => boolean {
  const expected = digest(secret)
  return (text) => timingSafeEqual(digest(text), expected)
}

/** Digests are of one length, so that the comparison does not tell the length of the secret. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
