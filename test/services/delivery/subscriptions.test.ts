// What filters cover, as a table.

import t from 'tap'
import type { Conversation } from '../../../protocol/entry.ts'
import type { Leaf } from '../../../protocol/topics.ts'
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
