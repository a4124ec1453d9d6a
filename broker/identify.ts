// Who connects, with which device: by a token, by the certificate of the connection, or by both,
// which then must agree.

import { Refusal } from '../protocol/errors.ts'
import { isId } from '../protocol/ids.ts'
import type { Connection } from './connection.ts'
import type { Identity } from './context.ts'

interface Claim {
  readonly clientId: string
  readonly password: Buffer | undefined
}

/** The user of a connection. A certificate needs no token beside it; one that is there adds its
 * grants, and must name the same user. Throws `Refusal`. */
export async function identify(connection: Connection, { password }: Claim): Promise<Identity> {
  const { context, certified } = connection
  if (certified !== undefined && certified.expiresAt <= context.clock()) {
    throw new Refusal('invalid-token', 'the certificate has expired')
  }
  const token = password?.toString() ?? connection.offeredToken
  if (token === undefined) {
    if (certified !== undefined) return context.certify(certified)
    throw new Refusal('invalid-token', 'no token was given')
  }
  const identity = await context.identify(token)
  if (certified === undefined) return identity
  if (certified.user !== identity.user) {
    throw new Refusal('not-authorized', 'the token names another user than the certificate')
  }
  return { ...identity, expiresAt: Math.min(identity.expiresAt, certified.expiresAt) }
}

/** The device of a connection: its client id, or that of the certificate if it leaves it to the
 * server, which would assign `assigned`. Undefined when a certificate says otherwise, or there is
 * no such id. */
export function deviceOf(
  { certified }: Connection,
  { clientId }: Claim,
  assigned: string | undefined,
): string | undefined {
  if (assigned === undefined) return undefined
  const device = clientId === '' ? (certified?.device ?? assigned) : clientId
  const isOther = certified !== undefined && certified.device !== device
  return isOther || !isId(device) ? undefined : device
}
