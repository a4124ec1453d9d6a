// What filters cover, as a table.

import t from 'tap'
import type { Conversation } from '../../../protocol/entry.ts'
import type { Leaf } from '../../../protocol/topics.ts'
import type { Subscription } from '../../../services/delivery/ports.ts'
import { Subscriptions } from '../../../services/delivery/subscriptions.ts'

const direct: Conversation = { kind: 'direct', id: 'd:x', users: ['alice', 'bob'] }
const team: Conversation = { kind: 'group', id: 'g:team', group: 'team', title: '' }
const other: Conversation = { kind: 'group', id: 'g:other', group: 'other', title: '' }

t.test('which conversations a filter of alice covers', async (t) => {
  const table: [string, boolean, boolean, boolean][] = [
    ['u/alice/#', true, false, false],
    ['u/alice/msg', true, false, false],
    ['u/alice/event', false, false, false],
    ['u/bob/#', false, false, false],
    ['u/bob/msg', false, false, false],
    ['g/+/#', false, true, true],
    ['g/+/msg', false, true, true],
    ['g/+/typing', false, false, false],
    ['g/team/msg', false, true, false],
    ['g/team/#', false, true, false],
    ['g/team/receipt', false, false, false],
    ['g/other/msg', false, false, true],
    ['#', false, false, false],
  ]
  for (const [filter, ...covered] of table) {
    for (const qos of [0, 1] as const) {
      const subscriptions = new Subscriptions('alice', [{ filter, qos }])
      const found = [direct, team, other].map((it) => subscriptions.messageQos(it))
      t.same(
        found,
        covered.map((is) => (is ? qos : undefined)),
        `${filter} at ${qos}`,
      )
    }
  }
})

t.test('of several filters the highest QoS counts, in any order [MQTT-3.3.5-1]', async (t) => {
  const filters = [
    { filter: 'g/+/#', qos: 0 },
    { filter: 'g/team/msg', qos: 1 },
    { filter: 'g/+/msg', qos: 0 },
  ] as const
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 0, 2],
  ] as const) {
    const held = order.map((index) => filters[index])
    const subscriptions = new Subscriptions('alice', held)
    t.equal(subscriptions.messageQos(team), 1)
    t.equal(subscriptions.messageQos(other), 0)
    subscriptions.delete('g/team/msg')
    t.equal(subscriptions.messageQos(team), 0)
  }
})

t.test('an equal filter replaces the one before [MQTT-3.8.4-3]', async (t) => {
  const subscriptions = new Subscriptions('alice', [{ filter: 'g/+/msg', qos: 1 }])
  subscriptions.set({ filter: 'g/+/msg', qos: 0 })
  t.equal(subscriptions.list().length, 1)
  t.equal(subscriptions.messageQos(team), 0)
  t.same(subscriptions.list(), [{ filter: 'g/+/msg', qos: 0 }])
  subscriptions.delete('g/+/msg')
  subscriptions.delete('g/+/msg')
  t.same([subscriptions.list().length, subscriptions.has('g/+/msg')], [0, false])
})

t.test('which leaves of the user are heard', async (t) => {
  const leaves: Leaf[] = ['msg', 'receipt', 'typing', 'event', 'error']
  const heard = (filter: string) => {
    const subscriptions = new Subscriptions('alice', [{ filter, qos: 1 }])
    return leaves.filter((leaf) => subscriptions.hasUserLeaf(leaf))
  }
  t.same(heard('u/alice/#'), leaves)
  for (const leaf of leaves) t.same(heard(`u/alice/${leaf}`), [leaf])
  for (const filter of ['u/bob/#', 'g/+/#', 'g/alice/#', 'u/bob/error']) t.same(heard(filter), [])
})

t.test('the identifiers of all filters that match a topic [MQTT5-3.3.4-3]', async (t) => {
  const subscriptions = new Subscriptions('alice', [{ filter: 'g/+/#', qos: 1, identifier: 7 }])
  subscriptions.set({ filter: 'g/team/msg', qos: 0, identifier: 8 })
  subscriptions.set({ filter: 'g/+/msg', qos: 0 })
  subscriptions.set({ filter: 'u/alice/#', qos: 0, identifier: 7 })
  const found = () => ['g/team/msg', 'g/x/msg', 'u/alice/error'].map(identifiersOf)
  const identifiersOf = (topic: string) => subscriptions.identifiersOf(topic)
  t.same(found(), [[7, 8], [7], [7]])
  t.same(found(), [[7, 8], [7], [7]], 'also when asked again')
  subscriptions.set({ filter: 'g/+/#', qos: 1 })
  t.same(found(), [[8], [], [7]], 'an equal filter replaces the identifier too [MQTT-3.8.4-3]')
  for (const filter of ['g/team/msg', 'u/alice/#']) subscriptions.delete(filter)
  t.same(found(), [[], [], []])
})

t.test('a change of options is a change', async (t) => {
  const plain = { filter: 't/a', qos: 1 } as const
  const subscriptions = new Subscriptions('alice', [plain])
  for (const options of [{ noLocal: true }, { retainAsPublished: true }, { identifier: 1 }, {}]) {
    const before = subscriptions.version()
    const changed = { ...plain, ...options } as Subscription
    subscriptions.set(changed)
    subscriptions.set(changed)
    t.equal(subscriptions.version(), before + 1)
    t.same(subscriptions.list(), [changed])
  }
})
