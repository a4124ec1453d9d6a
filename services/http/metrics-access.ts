// Who may read the metrics. They tell nothing of what is said, but how busy a server is, and that
// is not everybody's business.

import type { IncomingMessage } from 'node:http'
import { bearerIn, makeSecretCheck } from './guards.ts'

/** `loopback`: who is on this machine; others with the administrator's token. `admin`: only with
 * it. `open`: anyone. */
export type MetricsAccess = 'loopback' | 'admin' | 'open'

export type MayReadMetrics = (request: Pick<IncomingMessage, 'headers' | 'socket'>) => boolean

export function makeMetricsAccess(access: MetricsAccess, adminToken: string): MayReadMetrics {
  const isAdmin = makeSecretCheck(adminToken)
  return (request) => {
    if (access === 'open' || (access === 'loopback' && isLocal(request))) return true
    const bearer = bearerIn(request.headers.authorization)
    return bearer !== undefined && isAdmin(bearer)
  }
}

/** What a proxy passes on comes from anywhere. */
function isLocal({ headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>): boolean {
  if (headers.forwarded !== undefined || headers['x-forwarded-for'] !== undefined) return false
  return /^(::ffff:)?127\.|^::1$/.test(socket.remoteAddress ?? '')
}
