// Plain topics of several brokers that share a Redis.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import type { Subscription } from '../../../services/delivery/ports.ts'
import { requireProgram } from '../../support/programs.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'
import { introduce, makePlainBroker } from './support/plain-broker.ts'

const { skip } = requireProgram('redis-server')
const plainWill = (topic: string, text: string, willDelayInterval = 0) => ({
  topic,
  payload: Buffer.from(text),
  qos: 1 as const,
  retain: false,
  properties: { willDelayInterval },
})

t.test('plain topics of a cluster', { skip }, async (t) => {
  const server = await startRedis(t)
  const [one, other] = [await makePlainBroker(t, server.url), await makePlainBroker(t, server.url)]

  for (const qos of [0, 1, 2] as const) {
    await t.test(`what is published at QoS ${qos} at one broker comes at another`, async (t) => {
      const bob = introduce(other, `bob/${qos}`)
      await bob.subscribe({ filter: 't/live/+', qos }, { filter: 't/live/#', qos })
      const alice = introduce(one, `alice/${qos}`, { clean: true })
      const texts = Array.from({ length: 50 }, (_, index) => `${qos}-${index}`)
      for (const text of texts) alice.publish('t/live/x', text, { qos })
      await until('all came', () => bob.texts().length >= texts.length)
      t.same(bob.texts(), texts, 'in order')
      t.match(bob.packets[0], { qos, topic: 't/live/x' })
      await bob.leave()
      const again = introduce(one, `bob/${qos}`, { subscriptions: [{ filter: 't/live/x', qos }] })
      await again.plain.ready
      alice.publish('t/live/x', 'last', { qos })
      await until('the last came', () => again.texts().includes('last'))
      t.same(again.texts(), ['last'], 'nothing that was answered comes again')
      await Promise.all([again.leave(), alice.leave()])
    })
  }

  await t.test('what waits is picked up at another broker, once', async (t) => {
    const subscriptions = [{ filter: 't/wait', qos: 2 as const }]
    const bob = introduce(one, 'bob/wait')
    await bob.subscribe(...subscriptions)
    await bob.leave()
    const alice = introduce(other, 'alice/wait', { clean: true })
    for (const [index, qos] of ([1, 2, 1, 2] as const).entries()) {
      alice.publish('t/wait', `m${index}`, { qos })
    }
    await until('both exchanges ended', () => alice.packets.length === 6)
    const silent = introduce(other, 'bob/wait', { subscriptions, isSilent: true })
    await until('all came', () => silent.texts().length === 4)
    const first = silent.packets.flatMap((it) => it.messageId ?? [])
    await silent.leave()
    const answering = introduce(one, 'bob/wait', { subscriptions })
    await until('all came again', () => answering.packets.length === 6)
    // Order holds at each QoS.
    const even = (text: string) => text === 'm0' || text === 'm2'
    t.same(answering.texts().filter(even), ['m0', 'm2'])
    t.same(
      answering.texts().filter((text) => !even(text)),
      ['m1', 'm3'],
    )
    const again = answering.packets.filter(({ cmd }) => cmd === 'publish')
    t.same(
      again.map(({ messageId }) => messageId),
      first,
      'with the ids they had',
    )
    t.ok(again.every((it) => it.cmd === 'publish' && it.dup))
    await answering.leave()
    const last = introduce(other, 'bob/wait', { subscriptions })
    await last.plain.ready
    alice.publish('t/wait', 'end')
    await until('the end came', () => last.texts().includes('end'))
    t.same(last.texts(), ['end'])
    await Promise.all([last.leave(), alice.leave()])
  })

  await t.test('a device that moves between brokers gets each message once', async (t) => {
    const subscriptions = [{ filter: 't/move/#', qos: 2 as const }]
    let bob = introduce(one, 'bob/move')
    await bob.subscribe(...subscriptions)
    const publishers = [introduce(one, 'alice/a', { clean: true })]
    publishers.push(introduce(other, 'alice/b', { clean: true }))
    const texts: string[] = []
    const count = 400
    let published = 0
    for (let move = 0; move < 8; move++) {
      for (let index = 0; index < count / 8; index++) {
        for (const publisher of publishers) {
          publisher.publish(`t/move/${publisher.plain.introduction.clientId}`, `${published}`, {
            qos: 2,
          })
        }
        published++
        if (index % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      // Unlike a connection, it may go in the middle of anything.
      await bob.leave()
      texts.push(...bob.texts())
      bob = introduce(move % 2 === 0 ? other : one, 'bob/move', { subscriptions })
    }
    const all = () => [...texts, ...bob.texts()]
    await until('all came', () => new Set(all()).size === count && all().length >= 2 * count)
    const seen = all().map(Number)
    t.equal(seen.length, 2 * count, 'each once')
    await Promise.all([bob, ...publishers].map((it) => it.leave()))
  })

  await t.test('who may have missed a message comes back for it', async (t) => {
    const subscriptions = [{ filter: 't/missed', qos: 1 as const }]
    const bob = introduce(other, 'bob/missed')
    await bob.subscribe(...subscriptions)
    const alice = introduce(one, 'alice/missed', { clean: true })
    await alice.plain.ready
    await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    alice.publish('t/missed', 'while nobody listens')
    await until('it is cut, or got it', () => bob.isCut() || bob.texts().length > 0)
    const again = introduce(other, 'bob/missed', { subscriptions })
    await until('it came', () => [...bob.texts(), ...again.texts()].length === 1)
    t.ok(bob.isCut())
    await Promise.all([again.leave(), alice.leave()])
  })

  await t.test('a broker hears of nothing that no client of it wants', async (t) => {
    const patterns = () => server.command('PUBSUB', 'NUMPAT')
    const before = await patterns()
    const bob = introduce(one, 'bob/wants', { clean: true })
    await bob.subscribe({ filter: 't/wants/+', qos: 0 })
    t.not(await patterns(), before)
    await bob.leave()
    await until('nobody wants it', async () => (await patterns()) === before)
  })

  await t.test('a retained message is seen from another broker', async (t) => {
    const alice = introduce(one, 'alice/retain', { clean: true })
    alice.publish('t/kept/[x]', 'kept', { retain: true })
    await until(
      'it is kept',
      async () => (await server.command('HLEN', 'parley:plain:retained')) === ':1',
    )
    const bob = introduce(other, 'bob/retain', { clean: true })
    await bob.subscribe({ filter: 't/kept/+', qos: 1 })
    await until('it came', () => bob.texts().length === 1)
    t.match(bob.packets, [{ topic: 't/kept/[x]', retain: true }])
    await Promise.all([bob.leave(), alice.leave()])
  })

  await t.test('options of subscriptions hold at another broker', async (t) => {
    const subscriptions: Subscription[] = [
      { filter: 't/mine', qos: 1, noLocal: true, retainAsPublished: true, identifier: 9 },
    ]
    const bob = introduce(one, 'bob/options')
    await bob.subscribe(...subscriptions)
    await bob.leave()
    const alice = introduce(one, 'alice/options', { clean: true })
    const again = introduce(other, 'bob/options', { subscriptions })
    await again.plain.ready
    again.publish('t/mine', 'own')
    alice.publish('t/mine', 'with flag', { retain: true })
    await until('it came', () => again.texts().length === 1)
    t.same(again.texts(), ['with flag'])
    t.match(
      again.packets.find(({ cmd }) => cmd === 'publish'),
      { retain: true },
    )
    await Promise.all([again.leave(), alice.leave()])
  })

  await t.test('the wills of a broker that was killed come once, but of who is back', async (t) => {
    const program = new URL('./support/doomed-broker.js', import.meta.url).pathname
    const child = spawn(process.execPath, [program, server.url], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.teardown(() => void child.kill('SIGKILL'))
    const watcher = introduce(one, 'watcher', { clean: true })
    await watcher.subscribe({ filter: 't/will/#', qos: 1 })
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    t.equal(await other.returned('doomed/back'), true)
    await until('the late one came', () => watcher.texts().includes('late'))
    t.same(watcher.texts().toSorted(), ['gone', 'late'])
    const alice = introduce(one, 'alice/will', { clean: true })
    alice.publish('t/will/end', 'end')
    await until('the end came', () => watcher.texts().includes('end'))
    t.equal(watcher.texts().length, 3)
    await Promise.all([watcher.leave(), alice.leave()])
  })

  await t.test('a will with a delay is kept, and published here when it is due', async (t) => {
    const watcher = introduce(one, 'watcher', { clean: true })
    await watcher.subscribe({ filter: 't/will/#', qos: 1 })
    const bob = introduce(other, 'bob/delay', { will: plainWill('t/will/bob', 'delayed', 1) })
    await bob.plain.ready
    await bob.leave(true)
    await until('it came', () => watcher.texts().length === 1)
    t.same(watcher.texts(), ['delayed'])
    await watcher.leave()
  })

  await t.test('Redis that hangs holds up nobody who is here', async (t) => {
    const near = introduce(one, 'near/hang', { clean: true })
    await near.subscribe({ filter: 't/hang', qos: 1 })
    const alice = introduce(one, 'alice/hang', { clean: true })
    await alice.plain.ready
    server.pause()
    const before = Date.now()
    for (let index = 0; index < 20; index++) alice.publish('t/hang', `${index}`)
    await until('all came', () => near.texts().length === 20)
    t.ok(Date.now() < before + 1000)
    server.resume()
    await Promise.all([near.leave(), alice.leave()])
  })

  await t.test('Redis that begins anew is made good', async (t) => {
    const bob = introduce(other, 'bob/restart')
    await bob.subscribe({ filter: 't/restart', qos: 1 })
    const alice = introduce(one, 'alice/restart', { clean: true })
    await server.kill()
    alice.publish('t/restart', 'lost')
    const near = introduce(one, 'near', { clean: true })
    await near.subscribe({ filter: 't/restart', qos: 1 })
    alice.publish('t/restart', 'near')
    await until('who is here gets it', () => near.texts().includes('near'))
    await server.restart()
    const subscriptions = [{ filter: 't/restart', qos: 1 as const }]
    let again = introduce(other, 'bob/restart', { subscriptions })
    await until('messages go through', async () => {
      if (again.isCut()) again = introduce(other, 'bob/restart', { subscriptions })
      alice.publish('t/restart', 'through')
      await new Promise((resolve) => setTimeout(resolve, 50))
      // Who came before Redis was back is cut once more.
      const isKept = await server.command('HLEN', 'parley:plain:client:bob%2Frestart')
      return again.texts().includes('through') && isKept === ':1'
    })
    t.notOk(near.isCut(), 'who keeps nothing was not disturbed')
    t.ok(bob.isCut(), 'what was kept of it is gone')
    await again.leave()
    // The other broker may have missed the subscription, and loads it in a moment.
    await until('a message is kept for it', async () => {
      alice.publish('t/restart', 'waits')
      return (await server.command('ZCARD', 'parley:plain:order:bob/restart')) !== ':0'
    })
    const late = introduce(one, 'bob/restart', { subscriptions })
    await until('queues work again', () => late.texts().includes('waits'))
    await Promise.all([late.leave(), alice.leave(), near.leave()])
  })
})
