// The grammar of topics and filters.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { isId } from '../../protocol/ids.ts'
import { topicLevelsMax } from '../../protocol/limits.ts'
import {
  groupTopic,
  type Leaf,
  parseChatFilter,
  parsePublishTopic,
  userTopic,
} from '../../protocol/topics.ts'
import { anyId, anyText } from './support/arbitrary.ts'
import { holds } from './support/property.ts'

const userLeaves: readonly Leaf[] = ['msg', 'receipt', 'typing', 'event', 'error']
const groupLeaves: readonly Leaf[] = ['msg', 'receipt', 'typing']

t.test('a topic that was built from an id parses into that id', async (t) => {
  holds(
    t,
    fc.property(anyId, (id) => {
      for (const leaf of ['msg', 'read', 'typing'] as const) {
        assert.deepEqual(parsePublishTopic(`u/${id}/${leaf}`), { kind: 'direct', peer: id, leaf })
        assert.deepEqual(parsePublishTopic(`g/${id}/${leaf}`), { kind: 'group', group: id, leaf })
      }
      assert.deepEqual(parsePublishTopic(`u/${id}/sync`), { kind: 'sync', user: id })
      assert.deepEqual(parsePublishTopic(`t/${id}`), { kind: 'plain' })
    }),
  )
})

t.test('a wildcard, a leading $, a NUL and too many levels make any topic malformed', async (t) => {
  const at = (text: string, position: number, what: string) =>
    text.slice(0, position) + what + text.slice(position)
  const base = fc.oneof(
    anyText,
    anyId.map((id) => userTopic(id, 'msg')),
  )
  const broken = fc.oneof(
    fc.tuple(base, fc.nat(40), fc.constantFrom('+', '#', '\0')).map((args) => at(...args)),
    base.map((text) => `$${text}`),
    base.map((text) => text + '/'.repeat(topicLevelsMax)),
    fc.constant(''),
  )
  holds(
    t,
    fc.property(broken, (topic) => parsePublishTopic(topic).kind === 'malformed'),
  )
})

t.test('a topic may be as long as MQTT can say, with 100 levels and not one more', async (t) => {
  t.equal(parsePublishTopic('é'.repeat(32_767)).kind, 'other')
  t.equal(parsePublishTopic(`t/${'x'.repeat(65_533)}`).kind, 'plain')
  for (const root of ['t', 'u', 'x']) {
    t.not(parsePublishTopic(root + '/'.repeat(99)).kind, 'malformed')
    t.equal(parsePublishTopic(root + '/'.repeat(100)).kind, 'malformed')
  }
})

t.test('no text makes the parsers throw, or give a name that is no id', async (t) => {
  const text = fc.oneof(
    anyText,
    fc
      .tuple(fc.constantFrom('u', 'g', 'p', ''), anyText, fc.constantFrom('msg', '#', 'x'))
      .map((levels) => levels.join('/')),
  )
  holds(
    t,
    fc.property(text, (topic) => {
      const parsed = parsePublishTopic(topic)
      const filter = parseChatFilter(topic)
      const name = { direct: 'peer', group: 'group' } as const
      if (parsed.kind === 'direct' && !isId(parsed[name.direct])) return false
      if (parsed.kind === 'group' && !isId(parsed[name.group])) return false
      if (filter?.kind === 'user') return isId(filter.user)
      return filter === undefined || filter.group === '+' || isId(filter.group)
    }),
    3000,
  )
})

t.test(
  'well-formed topics that apps cannot publish to are neither chat nor malformed',
  async (t) => {
    const others = [
      ...['u', 'u/', 'u//msg', 'u/bob', 'u/bob/', 'u/bob/msg/', '/u/bob/msg', 'u/bob/msg/x'],
      ...[
        'u/bob/MSG',
        'U/bob/msg',
        'g/team/event',
        'u/bob/receipt',
        'p/bob',
        'g/a/sync',
        '/',
        'a$b',
      ],
      ...['u/b ob/msg', 'u/b$ob/msg', 'g/\u200b/msg', `u/${'x'.repeat(129)}/msg`, 'x/bob/msg'],
    ]
    for (const topic of others) t.strictSame(parsePublishTopic(topic), { kind: 'other' }, topic)
  },
)

t.test('every leaf below a user and below a group can be subscribed to', async (t) => {
  holds(
    t,
    fc.property(anyId, (id) => {
      for (const leaf of [...userLeaves, '#'] as const) {
        assert.deepEqual(parseChatFilter(`u/${id}/${leaf}`), { kind: 'user', user: id, leaf })
      }
      for (const leaf of [...groupLeaves, '#'] as const) {
        assert.deepEqual(parseChatFilter(`g/${id}/${leaf}`), { kind: 'group', group: id, leaf })
      }
    }),
    30,
  )
  t.strictSame(parseChatFilter('g/+/#'), { kind: 'group', group: '+', leaf: '#' })
  t.strictSame(parseChatFilter('g/+/msg'), { kind: 'group', group: '+', leaf: 'msg' })
})

t.test('other filters name nothing an app can subscribe to', async (t) => {
  const others = [
    ...['', '#', '+', '+/+/+', 'u/+/msg', 'u/+/#', '+/bob/msg', 'u/#', 'g/#', 'u/bob', 'u/bob/+'],
    ...['g/team', 'g/team/event', 'g/team/error', 'g/+/+', 'g/te+am/msg', 'u/bob/#/', 'u/bob/m#'],
    ...['$SYS/#', '$share/a/u/bob/msg', 'u//#', 'g//msg', 'u/b\0b/msg', 'u/bob/msg/', 't/x'],
    'x'.repeat(70_000),
    '/'.repeat(70_000),
  ]
  for (const filter of others) t.equal(parseChatFilter(filter), undefined, filter.slice(0, 40))
})

t.test('what a filter without wildcards matches is the topic of the same text', async (t) => {
  const leaf = fc.constantFrom(...groupLeaves)
  holds(
    t,
    fc.property(anyId, leaf, (id, name) => {
      const user = parseChatFilter(userTopic(id, name))
      const group = parseChatFilter(groupTopic(id, name))
      return (
        user?.kind === 'user' &&
        userTopic(user.user, user.leaf as Leaf) === userTopic(id, name) &&
        group?.kind === 'group' &&
        groupTopic(group.group, group.leaf as Leaf) === groupTopic(id, name)
      )
    }),
  )
})
