// Typing: who is told, and how often.

import t from 'tap'
import { noPeers } from '../../../services/bus/peers.ts'
import type { Member } from '../../../services/delivery/room.ts'
import { makeTyping } from '../../../services/receipts/typing.ts'
import { makeWorld } from './support/world.ts'

async function setup(t: Parameters<typeof makeWorld>[0]) {
  const world = makeWorld(t)
  for (const user of ['alice', 'bob', 'carol']) await world.store.createUser(user, undefined)
  for (const group of ['a', 'b']) {
    const members = ['bob', 'carol']
    await world.store.createGroup({ group, title: '', owner: 'alice', members })
  }
  let link = await world.connect('alice/phone')
  await world.connect('bob/phone')
  const time = { now: 0 }
  const heard: string[] = []
  const engine = {
    room: world.engine.room,
    notifyMember: ({ user }: Member, _leaf: string, payload: string) => {
      heard.push(`${user} ${(JSON.parse(payload) as { typing: boolean }).typing}`)
    },
  }
  const typing = makeTyping({ engine, peers: noPeers, clock: () => time.now }, { membersMax: 3 })
  const tell = (group: string, isTyping: boolean) => {
    const member = world.member('alice', `g:${group}`)
    typing.tell(member, isTyping)
    return heard.splice(0)
  }
  const reconnect = async () => {
    await world.disconnect(link)
    link = await world.connect('alice/phone')
  }
  return { world, typing, time, tell, reconnect }
}

t.test('the same state is told again after a second, another one at once', async (t) => {
  const { typing, time, tell } = await setup(t)
  t.strictSame(tell('a', true), ['bob true'], 'not to carol, who is away, nor to alice')
  t.strictSame(tell('a', true), [])
  t.strictSame(tell('b', true), ['bob true'], 'each conversation for itself')
  t.strictSame(tell('a', false), ['bob false'])
  time.now = 999
  t.strictSame(tell('a', false), [])
  time.now = 1000
  t.strictSame(tell('a', false), ['bob false'])
  t.equal(typing.dropped(), 2)
})

t.test('a user may tell so many at once, and a few each second', async (t) => {
  const { typing, time, tell } = await setup(t)
  const burst = (count: number) => {
    let told = 0
    for (let n = 0; n < count; n++) told += tell('a', n % 2 === 0).length
    return told
  }
  t.equal(burst(100), 20)
  t.equal(typing.dropped(), 80)
  time.now += 1000
  t.equal(burst(100), 5)
  time.now += 3_600_000
  t.equal(burst(100), 20, 'what was not used is not saved up')
})

t.test('a user with more devices may not tell more, nor one who comes back', async (t) => {
  const { world, tell, reconnect } = await setup(t)
  const burst = () => {
    let told = 0
    for (let n = 0; n < 100; n++) told += tell('a', n % 2 === 0).length
    return told
  }
  t.equal(burst(), 20)
  await world.connect('alice/tablet')
  t.equal(burst(), 0)
  await reconnect()
  t.equal(burst(), 0)
})

t.test('a group of more members hears none', async (t) => {
  const { world, tell } = await setup(t)
  await world.store.createUser('dave', undefined)
  await world.change('joined', 'a', 'dave')
  t.strictSame(tell('a', true), [])
  t.strictSame(tell('b', true), ['bob true'])
})
