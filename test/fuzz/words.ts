// What random sessions talk about: topics, filters, payloads and client ids that mean something to
// the server, and some that do not.

import fc from 'fast-check'
import type { Vocabulary } from './packets.ts'
import { anyBytes, anyString } from './values.ts'

/** The users whose sessions are random, and the groups they share. */
export const users = ['alice', 'bob', 'mallory', 'eve'] as const
export const groups = ['team', 'choir'] as const

const user = fc.constantFrom(...users)
const group = fc.constantFrom(...groups)
const leaf = fc.constantFrom('msg', 'msg', 'msg', 'typing', 'read', 'presence', 'sync', 'nothing')
const plain = fc
  .array(fc.constantFrom('a', 'b', '', 'ä', '0'), { minLength: 1, maxLength: 4 })
  .map((parts) => ['t', ...parts].join('/'))

/** Not what a server offers, though MQTT allows it. */
const oddTopic = fc.oneof(
  anyString.map((text) => text.replaceAll(/[+#]/g, '')),
  fc.constantFrom('$SYS/uptime', '/', 'u//msg', 'g//msg', 'u/alice', 't', 'u/alice/msg/more'),
  fc.integer({ min: 900, max: 30_000 }).map((length) => `t/${'x/'.repeat(length)}`),
)

const topic = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(user, leaf).map(([name, end]) => `u/${name}/${end}`) },
  { weight: 4, arbitrary: fc.tuple(group, leaf).map(([name, end]) => `g/${name}/${end}`) },
  { weight: 6, arbitrary: plain },
  { weight: 1, arbitrary: oddTopic },
)

const willTopic = fc.oneof(
  { weight: 4, arbitrary: plain },
  { weight: 2, arbitrary: user.map((name) => `u/${name}/presence`) },
  { weight: 1, arbitrary: topic.filter((it) => it !== '') },
)

const filter = fc.oneof(
  { weight: 3, arbitrary: user.map((name) => `u/${name}/#`) },
  { weight: 2, arbitrary: topic.filter((it) => it !== '') },
  {
    weight: 4,
    arbitrary: fc.constantFrom('g/+/#', 'g/+/msg', 'g/team/msg', 't/#', 't/+', 't/+/b', 't/+/#'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '#',
      '+',
      '$SYS/#',
      '$share/few/t/#',
      'a#',
      't/+a',
      '#/x',
      '+/+/msg',
    ),
  },
)

const payload = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record({ id: fc.stringMatching(/^[0-9a-f]{1,8}$/), text: anyString })
      .map((message) => Buffer.from(JSON.stringify(message))),
  },
  { weight: 2, arbitrary: fc.nat(50).map((seq) => Buffer.from(`{"seq":${seq}}`)) },
  { weight: 2, arbitrary: anyString.map((text) => Buffer.from(text)) },
  { weight: 2, arbitrary: anyBytes },
  { weight: 1, arbitrary: fc.json().map((text) => Buffer.from(text)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('online', 'away', 'offline').map((it) => Buffer.from(it)),
  },
)

const clientId = fc.oneof(
  { weight: 12, arbitrary: fc.nat(19).map((number) => `device-${number}`) },
  { weight: 1, arbitrary: fc.constantFrom('', 'with space', 'a/b', 'ü', 'x'.repeat(200)) },
)

/** For sessions with a whole server. */
export const serverWords: Vocabulary = { topic, willTopic, filter, payload, clientId }
