// Which strings are ids, and how the ids of conversations follow from them.

import fc from 'fast-check'
import t from 'tap'
import {
  directConversation,
  groupConversation,
  isId,
  isMessageId,
  serverMessageId,
} from '../../protocol/ids.ts'
import { anyId, anyText } from './support/arbitrary.ts'
import { holds, titleOf } from './support/property.ts'

const valid = [
  'a',
  'alice',
  'Ünal',
  '日本',
  'a.b-c_d:e@f=~!%',
  '😀',
  'x'.repeat(128),
  'é'.repeat(64),
]
const invalid = [
  '.',
  '..',
  ...['', '/', 'a/b', '+', 'a+', '#', 'a#b', '$', '$SYS', ' ', 'a b', ' a', 'a ', '\t', 'a\n'],
  ...['\0', 'a\0', '\x1f', '\x7f', '\x80', '\u00a0', '\u2003', '\u2028', '\u3000', '\ufeff'],
  ...['\u200b', '\u202e', '\ud800', 'a\udfff', '\uffff', '\u{10ffff}', '\ue000'],
  ...['x'.repeat(129), 'é'.repeat(65), '😀'.repeat(33)],
]

t.test('an id is 1 to 128 bytes without separators, spaces and invisible characters', async (t) => {
  for (const id of valid) t.equal(isId(id), true, titleOf(id))
  for (const id of invalid) t.equal(isId(id), false, titleOf(id))
})

t.test('every id has at most 128 bytes and survives a path, a topic and UTF-8', async (t) => {
  holds(
    t,
    fc.property(anyText, (text) => {
      if (!isId(text)) return true
      const bytes = Buffer.from(text)
      return bytes.length <= 128 && bytes.toString() === text && !/[\s/+#$\0]/.test(text)
    }),
    2000,
  )
})

t.test('an app may name its messages by anything visible that does not begin with #', async (t) => {
  for (const id of ['a', 'a#', 'm 1', '/+$', '😀', 'x'.repeat(128)]) {
    t.equal(isMessageId(id), true, titleOf(id))
  }
  for (const id of ['', '#1', '#', '\0', 'a\nb', '\ud800', 'x'.repeat(129), 'é'.repeat(65)]) {
    t.equal(isMessageId(id), false, titleOf(id))
  }
})

t.test('ids the server gives are never ids an app can give', async (t) => {
  holds(
    t,
    fc.property(fc.maxSafeNat(), (seq) => !isMessageId(serverMessageId(seq))),
  )
})

t.test('both users compute the same direct conversation', async (t) => {
  holds(
    t,
    fc.property(anyId, anyId, (a, b) => directConversation(a, b) === directConversation(b, a)),
  )
})

t.test('distinct pairs have distinct conversations, which are no groups and are ids', async (t) => {
  const pair = fc.tuple(anyId, anyId).map((users) => users.sort())
  holds(
    t,
    fc.property(pair, pair, anyId, (one, other, group) => {
      const [first, second] = [one, other].map(([a = '', b = '']) => directConversation(a, b))
      fc.pre(one.join('/') !== other.join('/'))
      return first !== second && first !== groupConversation(group) && isId(first ?? '')
    }),
  )
})

t.test('pairs whose ids join to the same text have distinct conversations', async (t) => {
  t.not(directConversation('ab', 'c'), directConversation('a', 'bc'))
  t.not(directConversation('a', 'a'), directConversation('a', 'aa'))
})

t.test('the id of a conversation never changes between versions', async (t) => {
  t.equal(directConversation('bob', 'alice'), 'd:FBpM0kK2foLt9KeLtBjUCm')
  t.equal(groupConversation('team'), 'g:team')
})
