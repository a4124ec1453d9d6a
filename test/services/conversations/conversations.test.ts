// Conversations: who may change the members of a group, and who hears of it.

import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { Conversation } from '../../../protocol/entry.ts'
import { groupMembersAtOnceMax } from '../../../protocol/limits.ts'
import {
  type MembershipChange,
  makeConversations,
} from '../../../services/conversations/conversations.ts'
import { makeMemoryStore } from '../support/memory-store.ts'
import { refused } from '../support/refusals.ts'

async function setup() {
  const store = makeMemoryStore()
  for (const user of ['alice', 'bob', 'carol', 'dave']) await store.createUser(user, undefined)
  const changes: MembershipChange[] = []
  const renamed: Conversation[] = []
  const conversations = makeConversations({
    store,
    random: randomBytes,
    announce: (change) => changes.push(change),
    renamed: (conversation) => renamed.push(conversation),
  })
  const takeChanges = () => changes.splice(0).map(({ kind, user }) => `${kind} ${user}`)
  return { store, conversations, changes, renamed, takeChanges }
}

/** A group of alice (owner), bob (admin) and carol (member). */
async function setupTeam() {
  const parts = await setup()
  const { conversations, store, takeChanges } = parts
  await conversations.createGroup({ by: 'alice', group: 'team', members: ['bob', 'carol'] })
  store.setRole('team', 'bob', 'admin')
  takeChanges()
  const members = async () =>
    (await store.membersOf('g:team', { limit: 10 })).map(({ user, role }) => `${user} ${role}`)
  return { ...parts, members }
}

t.test('who makes a group owns it, and everyone hears of joining once', async (t) => {
  const { conversations, changes, store } = await setup()
  const made = await conversations.createGroup({
    by: 'alice',
    group: 'team',
    title: 'The team',
    members: ['bob', 'alice', 'bob'],
  })
  t.strictSame(made, { kind: 'group', id: 'g:team', group: 'team', title: 'The team' })
  t.strictSame(
    changes,
    ['alice', 'bob'].map((user) => ({ kind: 'joined', conversation: 'g:team', user })),
  )
  t.match(await store.membershipsOf('alice'), [{ role: 'owner', joinedSeq: 0, head: 0 }])
  t.match(await store.membershipsOf('bob'), [{ role: 'member' }])
})

t.test('a group without an id gets a random one, without a title an empty one', async (t) => {
  const { conversations } = await setup()
  const a = await conversations.createGroup({ by: 'alice', members: [] })
  const b = await conversations.createGroup({ by: 'alice', members: [] })
  t.match(a, { group: /^[A-Za-z0-9_-]{16}$/, title: '' })
  t.not(a.group, b.group)
})

t.test('a group that the administrator makes is owned by the first member', async (t) => {
  const { conversations, store } = await setup()
  await conversations.createGroup({ by: undefined, group: 'team', members: ['bob', 'alice'] })
  t.match(await store.membership('g:team', 'bob'), { role: 'owner' })
  await refused(
    t,
    conversations.createGroup({ by: undefined, group: 'none', members: [] }),
    'invalid-request',
  )
})

t.test('a group that cannot be made is not made, and nobody hears of it', async (t) => {
  const { conversations, changes, store } = await setup()
  const create = (request: { group?: string; title?: string; members: string[] }) =>
    conversations.createGroup({ by: 'alice', ...request })
  await refused(t, create({ group: 'a/b', members: [] }), 'invalid-request')
  await refused(t, create({ group: 'team', members: ['a b'] }), 'invalid-request')
  await refused(t, create({ title: 'x'.repeat(201), members: [] }), 'invalid-request')
  const crowd = Array.from({ length: groupMembersAtOnceMax + 1 }, (_, i) => `u${i}`)
  await refused(t, create({ members: crowd }), 'invalid-request')
  const refusal = await refused(t, create({ members: ['bob', 'nobody'] }), 'unknown-user')
  t.match(refusal.message, /nobody/)
  t.strictSame(changes, [])
  t.strictSame(await store.membershipsOf('alice'), [])
  await create({ group: 'team', members: [] })
  await refused(t, create({ group: 'team', members: [] }), 'group-exists')
})

t.test('who may add a member', async (t) => {
  const cells = [
    ['alice', 'allowed'],
    ['bob', 'allowed'],
    ['carol', 'not-authorized'],
    ['mallory', 'not-found'],
    [undefined, 'allowed'],
  ] as const
  for (const [by, outcome] of cells) {
    const { conversations, takeChanges, members } = await setupTeam()
    const adding = conversations.addMember({ by, group: 'team', user: 'dave' })
    if (outcome !== 'allowed') {
      await refused(t, adding, outcome)
      t.strictSame(takeChanges(), [])
      t.notOk((await members()).includes('dave member'))
      continue
    }
    await adding
    t.strictSame(takeChanges(), ['joined dave'], `${by} adds dave`)
    t.ok((await members()).includes('dave member'))
  }
})

t.test('adding needs a group and a user that exist, and is told once', async (t) => {
  const { conversations, takeChanges } = await setupTeam()
  const add = (group: string, user: string, by?: string) =>
    conversations.addMember({ by, group, user })
  await refused(t, add('team', 'nobody', 'alice'), 'unknown-user')
  await refused(t, add('none', 'dave', 'alice'), 'not-found')
  await refused(t, add('none', 'dave'), 'not-found')
  await refused(t, add('a/b', 'dave'), 'invalid-request')
  await refused(t, add('team', '+'), 'invalid-request')
  await add('team', 'bob', 'alice')
  t.strictSame(takeChanges(), [], 'a member stays what they are')
})

t.test('who may remove whom', async (t) => {
  const cells = [
    ['alice', 'bob', 'allowed'],
    ['alice', 'carol', 'allowed'],
    ['bob', 'carol', 'allowed'],
    ['bob', 'bob', 'allowed'],
    ['carol', 'carol', 'allowed'],
    [undefined, 'bob', 'allowed'],
    ['bob', 'alice', 'not-authorized'],
    ['carol', 'bob', 'not-authorized'],
    ['carol', 'alice', 'not-authorized'],
    ['dave', 'carol', 'not-found'],
    ['dave', 'dave', 'not-found'],
    ['alice', 'dave', 'not-found'],
    ['alice', 'alice', 'last-owner'],
    [undefined, 'alice', 'last-owner'],
  ] as const
  for (const [by, user, outcome] of cells) {
    const { conversations, takeChanges, members } = await setupTeam()
    const before = await members()
    const removing = conversations.removeMember({ by, group: 'team', user })
    if (outcome !== 'allowed') {
      await refused(t, removing, outcome)
      t.strictSame(takeChanges(), [], `${by} cannot remove ${user}`)
      t.strictSame(await members(), before)
      continue
    }
    await removing
    t.strictSame(takeChanges(), [`left ${user}`], `${by} removes ${user}`)
    t.equal((await members()).length, 2)
  }
})

t.test('an owner goes when another owner stays, or when nobody does', async (t) => {
  const { conversations, store, takeChanges } = await setupTeam()
  store.setRole('team', 'bob', 'owner')
  await conversations.removeMember({ by: 'alice', group: 'team', user: 'alice' })
  await conversations.removeMember({ by: 'carol', group: 'team', user: 'carol' })
  await conversations.removeMember({ by: 'bob', group: 'team', user: 'bob' })
  t.strictSame(takeChanges(), ['left alice', 'left carol', 'left bob'])
})

t.test('owners, admins and the administrator rename a group', async (t) => {
  const { conversations, renamed, store } = await setupTeam()
  const rename = (by: string | undefined, title: string, group = 'team') =>
    conversations.renameGroup({ by, group, title })
  for (const by of ['alice', 'bob', undefined]) {
    const expected = { kind: 'group', id: 'g:team', group: 'team', title: `of ${by}` }
    t.strictSame(await rename(by, `of ${by}`), expected)
    t.strictSame(renamed.splice(0), [expected])
    t.match(await store.membership('g:team', 'carol'), { conversation: expected })
  }
  await refused(t, rename('carol', 'mine'), 'not-authorized')
  await refused(t, rename('dave', 'mine'), 'not-found')
  await refused(t, rename('alice', 'mine', 'none'), 'not-found')
  await refused(t, rename(undefined, 'mine', 'none'), 'not-found')
  await refused(t, rename('alice', 'x'.repeat(201)), 'invalid-request')
  await refused(t, rename('alice', 'x', 'a/b'), 'invalid-request')
  t.strictSame(renamed, [])
})

t.test('nothing is announced that the store did not commit', async (t) => {
  const { conversations, store, renamed, takeChanges } = await setupTeam()
  store.setFailing(true)
  await t.rejects(conversations.createGroup({ by: 'alice', group: 'new', members: [] }))
  await t.rejects(conversations.addMember({ by: 'alice', group: 'team', user: 'dave' }))
  await t.rejects(conversations.removeMember({ by: 'carol', group: 'team', user: 'carol' }))
  await t.rejects(conversations.renameGroup({ by: undefined, group: 'team', title: 'x' }))
  t.strictSame(renamed, [])
  t.strictSame(takeChanges(), [])
})

t.test('a direct conversation is the same for both, and made in silence', async (t) => {
  const { conversations, changes } = await setup()
  const one = await conversations.direct('bob', 'alice')
  t.match(one, { kind: 'direct', users: ['alice', 'bob'] })
  t.strictSame(await conversations.direct('alice', 'bob'), one)
  t.strictSame(changes, [])
  t.match(await conversations.membership(one.id, 'bob'), { conversation: one })
  t.equal(await conversations.membership(one.id, 'carol'), undefined)
  await refused(t, conversations.direct('alice', 'nobody'), 'unknown-user')
  await refused(t, conversations.direct('alice', 'a/b'), 'unknown-user')
  t.match(await conversations.direct('alice', 'alice'), { users: ['alice', 'alice'] })
})
