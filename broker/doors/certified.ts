// Who a client's certificate speaks for. The subject of a device's certificate has O=<user> and
// CN=<device>; what else is in it means nothing here.

import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { isId } from '../../protocol/ids.ts'

/** What a client's certificate says; `expiresAt` in ms since the epoch. */
export interface Certified {
  readonly user: string
  readonly device: string
  readonly expiresAt: number
}

/** The device that the other side of a socket has proved to be; undefined when it has shown no
 * certificate of a trusted authority, or one that names no device. */
export function certifiedBy(socket: Duplex): Certified | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  const { subject, valid_to: validTo } = socket.getPeerCertificate()
  // An attribute that is given twice is a list.
  const user: unknown = subject?.O
  const device: unknown = subject?.CN
  const expiresAt = Date.parse(validTo)
  if (typeof user !== 'string' || typeof device !== 'string') return undefined
  if (!isId(user) || !isId(device) || !Number.isFinite(expiresAt)) return undefined
  return { user, device, expiresAt }
}
