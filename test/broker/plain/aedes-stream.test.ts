// The way to aedes: whole packets in both directions, held while the client takes no bytes.

import { Aedes } from 'aedes'
import mqtt from 'mqtt-packet'
import t from 'tap'
import { writeAcknowledgement } from '../../../broker/edge/packets.ts'
import { AedesStream } from '../../../broker/plain/aedes-stream.ts'
import { until } from '../../support/until.ts'

interface Probe {
  readonly stream: AedesStream
  readonly packets: Buffer[]
  isStalled: boolean
  closed: number
  wanted: number
}

function probe(): Probe {
  const packets: Buffer[] = []
  const it: Probe = {
    packets,
    isStalled: false,
    closed: 0,
    wanted: 0,
    stream: new AedesStream({
      packet: ({ buffer, first, end }) => packets.push(Buffer.from(buffer.subarray(first, end))),
      closed: () => it.closed++,
      wanted: () => it.wanted++,
      isStalled: () => it.isStalled,
    }),
  }
  return it
}

const pingreq = Buffer.from([0xc0, 0])

t.test('what aedes writes comes out packet by packet, however it is cut', async (t) => {
  const { stream, packets } = probe()
  const sent = [writeAcknowledgement(4, 1), writeAcknowledgement(5, 2), Buffer.from([0xd0, 0])]
  const bytes = Buffer.concat(sent)
  for (const byte of bytes) stream.write(Buffer.from([byte]))
  t.same(packets, sent)
  stream.write(bytes)
  t.same(packets, [...sent, ...sent])
})

t.test('aedes is held while the client takes no bytes, and goes on when it does', async (t) => {
  const it = probe()
  it.isStalled = true
  let done = 0
  for (let i = 0; i < 20; i++)
    it.stream.write(Buffer.alloc(1000, Buffer.from([0xd0, 0])), () => done++)
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(it.packets.length, 500, 'the first write is passed on, the others wait')
  t.equal(done, 0)
  t.equal(it.stream.writableNeedDrain, true)
  it.stream.drained()
  t.equal(it.stream.isHeld(), true, 'not enough was taken')
  it.isStalled = false
  it.stream.drained()
  await until('all is written', () => done === 20)
  t.equal(it.packets.length, 10_000)
  it.stream.drained()
  t.equal(done, 20, 'a second drain changes nothing')
})

t.test('it says when aedes has enough, and when it wants more', async (t) => {
  const it = probe()
  it.stream.read(0)
  let given = 0
  while (it.stream.give(pingreq)) {
    given += pingreq.length
    if (given > 1_000_000) return t.fail('a client can pile up packets before aedes without bound')
  }
  const before = it.wanted
  it.stream.read()
  await until('more is wanted', () => it.wanted > before)
  t.equal(it.stream.give(pingreq), true)
})

t.test('its end is told once, also while it is held, and nothing is taken after it', async (t) => {
  const it = probe()
  it.isStalled = true
  it.stream.write(pingreq)
  it.stream.destroy()
  it.stream.destroy()
  it.stream.drained()
  await new Promise((resolve) => it.stream.once('close', resolve))
  t.equal(it.closed, 1)
  it.stream.give(pingreq)
  t.equal(it.stream.readableLength, 0)
})

t.test('a client that leaves is read to its end, and hears nothing more', async (t) => {
  const it = probe()
  it.isStalled = true
  let done = 0
  it.stream.write(pingreq, () => done++)
  it.stream.give(pingreq)
  it.stream.finish()
  it.stream.finish()
  await until('aedes is not held any more', () => done === 1)
  it.stream.write(pingreq)
  it.stream.give(pingreq)
  const given: Buffer[] = []
  for await (const chunk of it.stream) given.push(chunk as Buffer)
  t.same(Buffer.concat(given), pingreq)
  t.equal(it.packets.length, 1)
})

t.test('aedes itself connects, answers pings and closes over it', async (t) => {
  const aedes = await Aedes.createBroker()
  t.teardown(() => new Promise<void>((resolve) => aedes.close(() => resolve())))
  const it = probe()
  aedes.handle(it.stream)
  it.stream.give(
    mqtt.generate({
      cmd: 'connect',
      clientId: 'a/b',
      protocolVersion: 4,
      clean: true,
      keepalive: 0,
    }),
  )
  await until('CONNACK', () => it.packets.length === 1)
  it.stream.give(pingreq)
  await until('PINGRESP', () => it.packets.length === 2)
  t.same(it.packets, [Buffer.from([0x20, 2, 0, 0]), Buffer.from([0xd0, 0])])
  it.stream.give(Buffer.from([0xe0, 0]))
  await until('closed', () => it.closed === 1)
})
