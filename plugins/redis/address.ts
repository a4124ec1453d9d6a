// Where a Redis is, from its URL: one server, or the primary that Sentinels name. Pure.

import type { RedisOptions } from 'ioredis'
import { OperatorFault } from '../../protocol/failure.ts'

/** How to reach a Redis. */
export type RedisAddress = Pick<
  RedisOptions,
  | 'host'
  | 'port'
  | 'username'
  | 'password'
  | 'db'
  | 'tls'
  | 'sentinels'
  | 'name'
  | 'sentinelPassword'
>

type Sentinels = NonNullable<RedisAddress['sentinels']>

const redisPort = 6379
const sentinelPort = 26_379

/** Reads `redis://[user:pass@]host[:port][/db]`, `rediss://…` (TLS), or
 * `redis+sentinel://[user:pass@]host[:port],host[:port]/<primary's name>[/db]`, which takes
 * `?sentinelPassword=…`. Throws `OperatorFault`, which never shows the URL: it holds a password. */
export function parseRedisUrl(url: string): RedisAddress {
  const [, scheme, credentials, hosts = '', path = '', query = ''] =
    /^(redis|rediss|redis\+sentinel):\/\/(?:([^@/]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(
      url,
    ) ?? []
  if (scheme === undefined || hosts === '') throw unreadable()
  const account = readCredentials(credentials)
  if (scheme === 'redis+sentinel') {
    const [name = '', db] = path.split('/')
    if (name === '') throw unreadable()
    const sentinelPassword = new URLSearchParams(query).get('sentinelPassword')
    return {
      sentinels: hosts.split(',').map((host) => readHost(host, sentinelPort)),
      name: decode(name),
      ...(sentinelPassword === null ? {} : { sentinelPassword }),
      ...account,
      ...readDatabase(db),
    }
  }
  const tls = scheme === 'rediss' ? { tls: {} } : {}
  return { ...readHost(hosts, redisPort), ...tls, ...account, ...readDatabase(path) }
}

function readCredentials(text: string | undefined): Pick<RedisAddress, 'username' | 'password'> {
  if (text === undefined || text === '') return {}
  const colon = text.indexOf(':')
  if (colon < 0) return { username: decode(text) }
  const username = decode(text.slice(0, colon))
  const password = decode(text.slice(colon + 1))
  return username === '' ? { password } : { username, password }
}

function readHost(text: string, defaultPort: number): Sentinels[number] & { host: string } {
  const [, bracketed, plain, port] =
    /^(?:\[([0-9A-Fa-f:.]+)\]|([^:,[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined) throw unreadable()
  return { host, port: port === undefined ? defaultPort : Number(port) }
}

function readDatabase(text: string | undefined): Pick<RedisAddress, 'db'> {
  if (text === undefined || text === '') return {}
  if (!/^\d{1,4}$/.test(text)) throw unreadable()
  return { db: Number(text) }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw unreadable()
  }
}

function unreadable(): OperatorFault {
  return new OperatorFault(
    'a URL of Redis must look like redis://user:password@host:6379/0, rediss://… for TLS, or ' +
      'redis+sentinel://user:password@host:26379,host:26379/primary-name/0',
  )
}
