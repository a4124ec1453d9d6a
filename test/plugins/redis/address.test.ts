// The addresses of Redis: what a URL names, and which are refused.

import t from 'tap'
import { parseRedisUrl } from '../../../plugins/redis/address.ts'
import { OperatorFault } from '../../../protocol/failure.ts'

t.test('a URL names a server, its account and its database', async (t) => {
  t.same(parseRedisUrl('redis://cache'), { host: 'cache', port: 6379 })
  t.same(parseRedisUrl('redis://:p%40ss@cache:7000/3'), {
    host: 'cache',
    port: 7000,
    password: 'p@ss',
    db: 3,
  })
  t.same(parseRedisUrl('rediss://app:secret@[::1]:7000'), {
    host: '::1',
    port: 7000,
    username: 'app',
    password: 'secret',
    tls: {},
  })
})

t.test('a URL of Sentinels names the primary they know', async (t) => {
  t.same(parseRedisUrl('redis+sentinel://app:secret@one,two:5000/chat/2?sentinelPassword=s'), {
    sentinels: [
      { host: 'one', port: 26_379 },
      { host: 'two', port: 5000 },
    ],
    name: 'chat',
    username: 'app',
    password: 'secret',
    sentinelPassword: 's',
    db: 2,
  })
})

t.test('a URL that cannot be read is refused, and its password is not shown', async (t) => {
  const urls = ['http://:secret@cache', 'redis://', 'redis+sentinel://:secret@one', 'cache:6379']
  const more = ['redis://:secret@one,two', 'redis://:%zz@cache', 'redis://:secret@cache/db']
  for (const url of [...urls, ...more]) {
    try {
      parseRedisUrl(url)
      t.fail(url)
    } catch (error) {
      t.ok(error instanceof OperatorFault, url)
      t.notMatch(String(error), 'secret')
    }
  }
})
