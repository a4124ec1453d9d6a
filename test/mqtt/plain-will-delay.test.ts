// Wills of MQTT 5 to plain topics: with properties, and with a delay that a client that comes back
// in time calls off.

import { Buffer } from 'node:buffer'
import type { IConnectPacket } from 'mqtt-packet'
import t from 'tap'
import { until } from '../support/until.ts'
import { heard, startModes, subscribe } from './plain-level5.ts'

type Will = NonNullable<IConnectPacket['will']>

const properties = {
  payloadFormatIndicator: true,
  contentType: 'text/plain',
  responseTopic: 't/answers',
  correlationData: Buffer.of(0, 255),
  userProperties: { a: ['1', '2'] },
}

/** A session that lasts so many seconds, with a will that waits so many. */
function leaving(expiry: number, delay: number, will: Partial<Will> = {}, clean = true) {
  const base = { topic: 't/will', payload: Buffer.from('gone'), qos: 1 as const, retain: false }
  return {
    clean,
    properties: { sessionExpiryInterval: expiry },
    will: { ...base, properties: { willDelayInterval: delay }, ...will },
  }
}

for (const mode of await startModes(t)) {
  t.test(mode.name, async (t) => {
    t.test('a will has properties, and lives from its publication on', async (t) => {
      const bob = await mode.join(t, 'bob')
      await subscribe(bob, ['t/will'])
      const old = await mode.join(t, 'old', {}, { level: 4 })
      await subscribe(old, ['t/will'])
      const all = { ...properties, messageExpiryInterval: 5 }
      const payload = Buffer.alloc(10_000, 'ä')
      const will = { payload, properties: all, retain: true, qos: 2 as const }
      const alice = await mode.join(t, 'alice', leaving(0, 0, will))
      const at = Date.now()
      await until('some time has passed', () => Date.now() > at + 1100)
      alice.stream.destroy()
      const [got] = await bob.wait('publish')
      t.same({ ...got?.properties }, all)
      t.ok(payload.equals(got?.payload as Buffer))
      const [bare] = await old.wait('publish')
      t.ok(payload.equals(bare?.payload as Buffer))
      const late = await mode.join(t, 'late')
      await subscribe(late, ['t/will'])
      const [retained] = await late.wait('publish')
      t.match(retained, { retain: true, properties: { contentType: 'text/plain' } })
      late.send({ cmd: 'publish', topic: 't/will', payload: '', qos: 0, retain: true, dup: false })
      await heard(late)
    })

    t.test('a will with a delay comes later', async (t) => {
      const bob = await mode.join(t, 'bob')
      await subscribe(bob, ['t/will'])
      const alice = await mode.join(t, 'alice', leaving(100, 1))
      alice.stream.destroy()
      const at = Date.now()
      await bob.wait('publish')
      t.ok(Date.now() - at > 900, 'after a second')
    })

    t.test('the session ends before the delay: the will comes then [MQTT5-3.1.2-8]', async (t) => {
      const bob = await mode.join(t, 'bob')
      await subscribe(bob, ['t/will'])
      const ending = await mode.join(t, 'ending', leaving(0, 100))
      ending.stream.destroy()
      await bob.wait('publish')
      const alice = await mode.join(t, 'alice', leaving(1, 100))
      alice.stream.destroy()
      await bob.wait('publish', 2)
      const fresh = await mode.join(t, 'fresh', leaving(100, 100))
      fresh.stream.destroy()
      await heard(bob)
      await mode.join(t, 'fresh')
      await bob.wait('publish', 3)
      t.pass('a new session ends the old one')
    })

    t.test('who comes back in time has no will published [MQTT5-3.1.3-9]', async (t) => {
      const bob = await mode.join(t, 'bob')
      await subscribe(bob, ['t/will'])
      const alice = await mode.join(t, 'alice', leaving(100, 1))
      alice.stream.destroy()
      const at = Date.now()
      const second = await mode.join(t, 'alice', leaving(100, 1, {}, false))
      const third = await mode.join(t, 'alice', leaving(100, 1, {}, false))
      await second.closed()
      third.send({ cmd: 'disconnect', reasonCode: 0 })
      await third.closed()
      await until('all would have been published', () => Date.now() > at + 2500)
      t.same(await heard(bob), [], 'after a break, a takeover, and a DISCONNECT')
    })

    t.test('DISCONNECT 0x04 leaves the will, and may end the session at once', async (t) => {
      const bob = await mode.join(t, 'bob')
      await subscribe(bob, ['t/will'])
      const alice = await mode.join(t, 'alice', leaving(100, 100))
      const sessionExpiryInterval = 0
      alice.send({ cmd: 'disconnect', reasonCode: 4, properties: { sessionExpiryInterval } })
      await bob.wait('publish')
      const again = await mode.join(t, 'alice', { clean: false })
      t.equal(again.of('connack')[0]?.sessionPresent, false)
    })

    t.test('a session lasts as long as its client said', async (t) => {
      const alice = await mode.join(t, 'lasting', leaving(1, 0))
      await subscribe(alice, ['t/x'])
      alice.send({ cmd: 'disconnect', reasonCode: 0 })
      await alice.closed()
      const fields = { clean: false, properties: { sessionExpiryInterval: 1 } }
      const second = await mode.join(t, 'lasting', fields)
      t.equal(second.of('connack')[0]?.sessionPresent, true)
      second.stream.destroy()
      const at = Date.now()
      await until('it is over', () => Date.now() > at + 1500)
      const third = await mode.join(t, 'lasting', { clean: false })
      t.equal(third.of('connack')[0]?.sessionPresent, false)
      third.stream.destroy()
    })
  })
}
