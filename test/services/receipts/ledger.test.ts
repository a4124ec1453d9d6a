// The ledger of one user, step by step: what happens while the store is being asked.

import t from 'tap'
import { countsAsUnread } from '../../../protocol/kinds.ts'
import type { Member } from '../../../services/delivery/room.ts'
import { Ledger } from '../../../services/receipts/ledger.ts'
import type { CountRange } from '../../../services/receipts/ports.ts'
import { until } from '../../support/until.ts'

/** Bob in `g:town`, where alice has said so many things, and a store that answers when told. */
function setup(t: { teardown(work: () => void): void }, head: number) {
  const conversation = { kind: 'group', id: 'g:town', group: 'town', title: '' } as const
  const room = {
    conversation,
    head,
    memberCount: 2,
    positions: new Set<never>(),
    members: new Set<Member>(),
  }
  const marks = { delivered: 0, read: 0, mutedUntil: 0, hidesReads: false }
  const owner = { counter: undefined }
  const states = { active: true, hasLeft: false }
  const member: Member = { user: 'bob', room, joinedSeq: 0, ...states, owner, ...marks }
  const memberships = new Map<string, Member>([[conversation.id, member]])
  const asked: { readonly range: CountRange; readonly answer: () => void }[] = []
  const ledger = new Ledger({
    memberships,
    clock: () => 0,
    countAtOnceMax: 10,
    count: (range) =>
      new Promise((resolve) => {
        asked.push({ range, answer: () => resolve(range.through - range.after) })
      }),
    changed: () => {},
    failed: (error) => t.teardown(() => Promise.reject(error)),
  })
  const announce = (seq: number, kind = 'text', from = 'alice') => {
    room.head = Math.max(room.head, seq)
    const body = { kind, messageId: undefined, fields: '' }
    ledger.announced(member, { conversation: conversation.id, seq, from, at: 0, body })
  }
  /** Answers what the store was asked, and waits for the next event. */
  const events = async () => {
    let found = ledger.takeEvents()
    await until('an event', () => {
      asked.shift()?.answer()
      if (found.length === 0) found = ledger.takeEvents()
      return found.length > 0
    })
    return found.map(({ unread, read, badge }) => ({ unread, read, badge }))
  }
  t.teardown(() => ledger.close())
  return { ledger, member, memberships, asked, announce, events }
}

t.test('nothing is counted before something changes, and then in pieces', async (t) => {
  const { ledger, asked, announce, events } = setup(t, 25)
  t.strictSame(ledger.takeEvents(), [])
  announce(26)
  t.strictSame(ledger.takeEvents(), [], 'not before it is counted')
  t.match(asked, [{ range: { user: 'bob', after: 0, through: 10 } }], 'one piece at a time')
  t.strictSame(await events(), [{ unread: 26, read: 0, badge: 26 }])
  announce(27)
  t.equal(asked.length, 0)
  t.match(ledger.takeEvents(), [{ unread: 27 }], 'from then on the store is not asked')
})

t.test('what comes again while it is being counted is not counted twice', async (t) => {
  const { ledger, announce, asked, events } = setup(t, 3)
  announce(4)
  ledger.takeEvents()
  t.equal(asked.length, 1)
  announce(1)
  announce(5)
  t.strictSame(await events(), [{ unread: 5, read: 0, badge: 5 }])
})

t.test('what is read while it is being counted is not unread', async (t) => {
  const { ledger, member, announce, asked, events } = setup(t, 3)
  announce(4)
  ledger.takeEvents()
  t.equal(asked.length, 1)
  member.read = 4
  ledger.read(member)
  t.strictSame(await events(), [{ unread: 0, read: 4, badge: 0 }])
  announce(5)
  t.match(ledger.takeEvents(), [{ unread: 1 }])
})

t.test(
  'a part that was read is subtracted, or the rest counted anew if that is less',
  async (t) => {
    const { ledger, member, announce, asked, events } = setup(t, 20)
    announce(21)
    await events()
    member.read = 2
    ledger.read(member)
    ledger.takeEvents()
    t.match(asked, [{ range: { after: 0, through: 2 } }])
    t.strictSame(await events(), [{ unread: 19, read: 2, badge: 19 }])
    member.read = 18
    ledger.read(member)
    ledger.takeEvents()
    t.match(asked, [{ range: { after: 18, through: 21 } }])
    t.strictSame(await events(), [{ unread: 3, read: 18, badge: 3 }])
  },
)

t.test('a membership with entries that came before it was known is counted', async (t) => {
  const { ledger, member, memberships, events } = setup(t, 3)
  const room = { ...member.room, conversation: { ...member.room.conversation, id: 'g:new' } }
  const joined: Member = { ...member, room, joinedSeq: 1 }
  memberships.set('g:new', joined)
  ledger.missed(joined)
  t.strictSame(await events(), [{ unread: 2, read: 0, badge: 5 }])
})

t.test('a user who leaves as the first change is told the badge of the others', async (t) => {
  const { ledger, member, memberships, events } = setup(t, 3)
  const room = { ...member.room, conversation: { ...member.room.conversation, id: 'g:other' } }
  memberships.set('g:other', { ...member, room })
  memberships.delete('g:town')
  ledger.left(member)
  t.strictSame(await events(), [{ unread: 0, read: 0, badge: 3 }])
  t.strictSame(ledger.takeEvents(), [], 'once')
})

t.test('a user who leaves while it is being counted is told so', async (t) => {
  const { ledger, member, memberships, asked, announce, events } = setup(t, 3)
  announce(4)
  ledger.takeEvents()
  t.equal(asked.length, 1)
  memberships.delete('g:town')
  ledger.left(member)
  t.strictSame(await events(), [{ unread: 0, read: 0, badge: 0 }])
})

t.test('entries whose announcements were lost are counted when they are found', async (t) => {
  const { ledger, member, asked, announce, events } = setup(t, 0)
  announce(1)
  await events()
  member.room.head = 4
  ledger.missed(member)
  ledger.takeEvents()
  t.match(asked, [{ range: { after: 1, through: 4 } }])
  t.strictSame(await events(), [{ unread: 4, read: 0, badge: 4 }])
})

t.test('own entries and kinds that do not count change nothing', async (t) => {
  const { ledger, announce, events } = setup(t, 0)
  announce(1)
  await events()
  announce(2, 'text', 'bob')
  for (const [index, kind] of ['edit', 'reaction', 'void', 'delete'].entries()) {
    t.notOk(countsAsUnread(kind))
    announce(3 + index, kind)
  }
  t.strictSame(ledger.takeEvents(), [])
  announce(7)
  t.match(ledger.takeEvents(), [{ unread: 2 }])
})
