// The contract of ConversationStore (services/conversations/ports.ts), for every engine.

import type { Test } from 'tap'
import { directConversation } from '../../protocol/ids.ts'
import type { Engine, MakeEngine } from './engine.ts'
import { fill, text, town, withGroup } from './engine.ts'

/** Tests every sentence of the port's documentation. */
export async function testConversationStore(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test('ConversationStore: groups', (t) => testGroups(t, makeEngine))
  await t.test('ConversationStore: members', (t) => testMembers(t, makeEngine))
  await t.test('ConversationStore: memberships', (t) => testMemberships(t, makeEngine))
  await t.test('ConversationStore: direct', (t) => testDirect(t, makeEngine))
  await t.test('ConversationStore: lists', (t) => testLists(t, makeEngine))
}

/** What a membership holds besides, at first. */
const unmarked = { delivered: 0, read: 0, mutedUntil: 0, hidesReads: false }

const townConversation = { kind: 'group', id: town, group: 'town', title: 'Town' }

async function testGroups(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test('makes a group with its owner and members, at the head 0', async (t) => {
    const { conversations } = await withGroup(await makeEngine(t), 'alice', 'bob')
    const membership = {
      conversation: townConversation,
      joinedSeq: 0,
      head: 0,
      members: 2,
      ...unmarked,
    }
    t.strictSame(await conversations.membership(town, 'alice'), { ...membership, role: 'owner' })
    t.strictSame(await conversations.membership(town, 'bob'), { ...membership, role: 'member' })
  })

  await t.test('leaves a group that exists as it is', async (t) => {
    const { conversations } = await withGroup(await makeEngine(t), 'alice', 'bob')
    const again = { group: 'town', title: 'Other', owner: 'bob', members: [] }
    t.strictSame(await conversations.createGroup(again), { kind: 'exists' })
    t.match(await conversations.membership(town, 'bob'), {
      conversation: townConversation,
      role: 'member',
    })
    t.ok(await conversations.membership(town, 'alice'))
  })

  await t.test('names the first user that does not exist, and makes nothing', async (t) => {
    const { users, conversations } = await makeEngine(t)
    await users.createUser('alice', undefined)
    const group = { group: 'town', title: '', owner: 'alice', members: ['bob', 'carol'] }
    t.strictSame(await conversations.createGroup(group), { kind: 'unknown-user', user: 'bob' })
    t.strictSame(await conversations.createGroup({ ...group, owner: 'zoe' }), {
      kind: 'unknown-user',
      user: 'zoe',
    })
    t.strictSame(await conversations.membershipsOf('alice'), [])
    t.strictSame(await conversations.createGroup({ ...group, members: [] }), { kind: 'created' })
  })

  await t.test('keeps any title', async (t) => {
    const { users, conversations } = await makeEngine(t)
    await users.createUser('alice', undefined)
    const title = '"Zürich" \0 🜚 \ud800 \\'
    await conversations.createGroup({ group: 'town', title, owner: 'alice', members: [] })
    t.match(await conversations.membership(town, 'alice'), { conversation: { title } })
  })

  await t.test('gives a group another title', async (t) => {
    const { conversations } = await withGroup(await makeEngine(t), 'alice')
    t.equal(await conversations.renameGroup('town', 'City \0'), true)
    t.match(await conversations.membership(town, 'alice'), { conversation: { title: 'City \0' } })
    t.equal(await conversations.renameGroup('nowhere', 'x'), false)
  })

  await t.test('makes one group of many concurrent calls', async (t) => {
    const { users, conversations } = await makeEngine(t)
    await users.createUser('alice', undefined)
    const group = { group: 'town', title: '', owner: 'alice', members: [] }
    const calls = Array.from({ length: 10 }, () => conversations.createGroup(group))
    const created = (await Promise.all(calls)).filter(({ kind }) => kind === 'created')
    t.equal(created.length, 1)
  })
}

async function testMembers(t: Test, makeEngine: MakeEngine): Promise<void> {
  const withCarol = async (t: Test): Promise<Engine> => {
    const engine = await withGroup(await makeEngine(t), 'alice', 'bob')
    await engine.users.createUser('carol', undefined)
    return engine
  }

  await t.test('adds a member at the head of the log', async (t) => {
    const engine = await withCarol(t)
    await fill(engine, 3)
    t.equal(await engine.conversations.addMember('town', 'carol'), 'added')
    await engine.log.append([text('alice')], 1)
    t.strictSame(await engine.conversations.membership(town, 'carol'), {
      conversation: townConversation,
      role: 'member',
      joinedSeq: 3,
      head: 4,
      members: 3,
      ...unmarked,
    })
  })

  await t.test('leaves a member what they are', async (t) => {
    const engine = await withCarol(t)
    await fill(engine, 3)
    t.equal(await engine.conversations.addMember('town', 'alice'), 'already')
    t.match(await engine.conversations.membership(town, 'alice'), { role: 'owner', joinedSeq: 0 })
  })

  await t.test('adds nobody to no group, and no unknown user', async (t) => {
    const { conversations } = await withCarol(t)
    t.equal(await conversations.addMember('nowhere', 'carol'), 'unknown-group')
    t.equal(await conversations.addMember('town', 'nobody'), 'unknown-user')
    t.strictSame(await conversations.membershipsOf('carol'), [])
  })

  await t.test('removes a member, who can come back at the new head', async (t) => {
    const engine = await withCarol(t)
    const { conversations } = engine
    t.equal(await conversations.removeMember('town', 'bob'), 'removed')
    t.equal(await conversations.membership(town, 'bob'), undefined)
    t.equal(await conversations.removeMember('town', 'bob'), 'not-a-member')
    t.equal(await conversations.removeMember('nowhere', 'bob'), 'not-a-member')
    t.equal(await conversations.removeMember('town', 'nobody'), 'not-a-member')
    await fill(engine, 2)
    await conversations.addMember('town', 'bob')
    t.match(await conversations.membership(town, 'bob'), { joinedSeq: 2 })
  })

  await t.test("removes the cursors of that member's devices in that conversation", async (t) => {
    const { conversations, devices } = await withCarol(t)
    const direct = (await conversations.ensureDirect('alice', 'bob'))?.id ?? ''
    const cursors = [town, direct].map((conversation) => ({ conversation, acked: 1, sent: 1 }))
    const save = (user: string, device: string): Promise<boolean> =>
      devices.save({ user, device, subscriptions: [], cursors })
    await Promise.all([save('bob', 'phone'), save('bob', 'laptop'), save('alice', 'phone')])
    await conversations.removeMember('town', 'bob')
    const left = async (user: string, device: string): Promise<unknown> =>
      (await devices.find(user, device))?.cursors.map(({ conversation }) => conversation).sort()
    t.strictSame(await left('bob', 'phone'), [direct])
    t.strictSame(await left('bob', 'laptop'), [direct])
    t.strictSame(await left('alice', 'phone'), [direct, town].sort())
    await conversations.addMember('town', 'bob')
    t.strictSame(await left('bob', 'phone'), [direct], 'and they do not come back')
  })

  await t.test('keeps the last owner while others are there', async (t) => {
    const { conversations } = await withCarol(t)
    t.equal(await conversations.removeMember('town', 'alice'), 'last-owner')
    t.match(await conversations.membership(town, 'alice'), { role: 'owner' })
    await conversations.removeMember('town', 'bob')
    t.equal(await conversations.removeMember('town', 'alice'), 'removed', 'the last of all may go')
    t.strictSame(await conversations.membersOf(town, { limit: 10 }), [])
  })
}

async function testMemberships(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test('counts the members as they come and go', async (t) => {
    const { users, conversations } = await withGroup(await makeEngine(t), 'alice', 'bob')
    await users.createUser('carol', undefined)
    const members = async () => (await conversations.membership(town, 'alice'))?.members
    for (const [change, count] of [
      [() => conversations.addMember('town', 'carol'), 3],
      [() => conversations.addMember('town', 'carol'), 3],
      [() => conversations.removeMember('town', 'bob'), 2],
      [() => conversations.removeMember('town', 'bob'), 2],
      [() => conversations.removeMember('town', 'alice'), 2],
    ] as const) {
      await change()
      t.equal(await members(), count)
    }
    await conversations.ensureDirect('bob', 'bob')
    t.equal((await conversations.membershipsOf('bob'))[0]?.members, 1, 'notes to oneself')
  })

  await t.test('keeps until when a member has muted it', async (t) => {
    const { conversations } = await withGroup(await makeEngine(t), 'alice', 'bob')
    t.equal(await conversations.mute(town, 'alice', Number.MAX_SAFE_INTEGER), true)
    t.match(await conversations.membership(town, 'alice'), { mutedUntil: Number.MAX_SAFE_INTEGER })
    t.match(await conversations.membership(town, 'bob'), { mutedUntil: 0 })
    t.equal(await conversations.mute(town, 'alice', 0), true)
    t.match(await conversations.membership(town, 'alice'), { mutedUntil: 0 })
    t.equal(await conversations.mute(town, 'eve', 1), false)
    t.equal(await conversations.mute('g:nowhere', 'alice', 1), false)
  })

  await t.test('says whether its user hides what was read', async (t) => {
    const { users, conversations } = await withGroup(await makeEngine(t), 'alice', 'bob')
    await users.saveSettings('alice', { readReceipts: 'nobody' })
    t.match(await conversations.membership(town, 'alice'), { hidesReads: true })
    t.match(await conversations.membershipsOf('bob'), [{ hidesReads: false }])
  })
}

async function testDirect(t: Test, makeEngine: MakeEngine): Promise<void> {
  const make = async (t: Test): Promise<Engine> => {
    const engine = await makeEngine(t)
    for (const user of ['alice', 'bob']) await engine.users.createUser(user, undefined)
    return engine
  }

  await t.test('is the same whoever asks first, with both as members', async (t) => {
    const { conversations } = await make(t)
    const id = directConversation('alice', 'bob')
    const expected = { kind: 'direct', id, users: ['alice', 'bob'] }
    t.strictSame(await conversations.ensureDirect('bob', 'alice'), expected)
    t.strictSame(await conversations.ensureDirect('alice', 'bob'), expected)
    const membership = {
      conversation: expected,
      role: 'member',
      joinedSeq: 0,
      head: 0,
      members: 2,
      ...unmarked,
    }
    t.strictSame(await conversations.membership(id, 'alice'), membership)
    t.strictSame(await conversations.membershipsOf('bob'), [membership])
  })

  await t.test('may be with oneself', async (t) => {
    const { conversations } = await make(t)
    const notes = await conversations.ensureDirect('alice', 'alice')
    t.match(notes, { kind: 'direct', users: ['alice', 'alice'] })
    t.strictSame(await conversations.membersOf(notes?.id ?? '', { limit: 10 }), [
      { user: 'alice', role: 'member' },
    ])
  })

  await t.test('is none when one of the users does not exist', async (t) => {
    const { users, conversations } = await make(t)
    t.equal(await conversations.ensureDirect('alice', 'nobody'), undefined)
    t.equal(await conversations.ensureDirect('nobody', 'alice'), undefined)
    t.strictSame(await conversations.membershipsOf('alice'), [])
    await users.createUser('nobody', undefined)
    t.ok(await conversations.ensureDirect('alice', 'nobody'), 'until the user does')
  })

  await t.test('is one for many concurrent calls', async (t) => {
    const { conversations } = await make(t)
    const calls = Array.from({ length: 10 }, (_, n) =>
      n % 2 === 0
        ? conversations.ensureDirect('alice', 'bob')
        : conversations.ensureDirect('bob', 'alice'),
    )
    const ids = new Set((await Promise.all(calls)).map((conversation) => conversation?.id))
    t.strictSame([...ids], [directConversation('alice', 'bob')])
    t.equal((await conversations.membershipsOf('alice')).length, 1)
  })
}

async function testLists(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test("gives a user's memberships by the conversation's id, with heads", async (t) => {
    const engine = await withGroup(await makeEngine(t), 'alice', 'bob')
    const { conversations } = engine
    for (const group of ['z', 'a', 'm']) {
      await conversations.createGroup({ group, title: group, owner: 'bob', members: ['alice'] })
    }
    await conversations.createGroup({ group: 'other', title: '', owner: 'bob', members: [] })
    await conversations.ensureDirect('alice', 'bob')
    await fill(engine, 2)
    const mine = await conversations.membershipsOf('alice')
    const direct = directConversation('alice', 'bob')
    t.strictSame(
      mine.map(({ conversation, head }) => [conversation.id, head]),
      [[direct, 0] as const, ['g:a', 0], ['g:m', 0], [town, 2], ['g:z', 0]],
    )
    for (const membership of mine) {
      const { id } = membership.conversation
      t.strictSame(await conversations.membership(id, 'alice'), membership)
    }
    t.strictSame(await conversations.membershipsOf('nobody'), [])
  })

  await t.test('gives no membership of a stranger or of no conversation', async (t) => {
    const { users, conversations } = await withGroup(await makeEngine(t), 'alice')
    await users.createUser('eve', undefined)
    t.equal(await conversations.membership(town, 'eve'), undefined)
    t.equal(await conversations.membership('g:nowhere', 'alice'), undefined)
  })

  await t.test('pages through the members by user id', async (t) => {
    const engine = await makeEngine(t)
    const names = ['nina', 'Ärne', 'bob', 'zoe', 'Bob', 'ann'] as const
    const { conversations } = await withGroup(engine, ...names)
    const ordered = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    const expected = ordered.map((user) => ({ user, role: user === 'nina' ? 'owner' : 'member' }))
    t.strictSame(await conversations.membersOf(town, { limit: 100 }), expected)
    const seen: unknown[] = []
    for (let after: string | undefined; ; ) {
      const page = await conversations.membersOf(town, {
        limit: 2,
        ...(after === undefined ? {} : { after }),
      })
      t.ok(page.length <= 2)
      seen.push(...page)
      after = page.at(-1)?.user
      if (after === undefined) break
    }
    t.strictSame(seen, expected)
    t.strictSame(await conversations.membersOf('g:nowhere', { limit: 2 }), [])
  })
}
