// The contract of LogStore (services/log/ports.ts) for messages that came with a packet id, for
// every engine.

import type { Test } from 'tap'
import type { AppendOutcome, DevicePacket, NewMessage } from '../../services/log/ports.ts'
import type { Engine, MakeEngine } from './engine.ts'
import { text, town, withGroup } from './engine.ts'

/** A message of alice's phone that came with a packet id. */
function packet(packetId: number, more: Partial<DevicePacket> = {}): NewMessage {
  const packet = { device: 'phone', packetId, isRepeat: false, fingerprint: packetId, ...more }
  return { ...text('alice'), packet }
}

async function withPhone(t: Test, makeEngine: MakeEngine): Promise<Engine> {
  const engine = await withGroup(await makeEngine(t), 'alice', 'bob')
  for (const device of ['phone', 'laptop']) {
    await engine.devices.save({ user: 'alice', device, subscriptions: [] })
  }
  return engine
}

const kinds = (outcomes: readonly AppendOutcome[]) => outcomes.map(({ kind }) => kind)
const phone = { user: 'alice', device: 'phone' }

/** Tests every sentence of the port's documentation about packet ids. */
export async function testDevicePackets(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test('stores a packet once, also within the batch, until it is released', async (t) => {
    const { log } = await withPhone(t, makeEngine)
    const repeat = packet(1, { isRepeat: true, fingerprint: 99 })
    t.strictSame(await log.append([text('bob'), packet(1), repeat, packet(2)], 5), [
      { kind: 'appended', seq: 1, at: 5 },
      { kind: 'appended', seq: 2, at: 5 },
      { kind: 'duplicate', seq: 2, at: 5 },
      { kind: 'appended', seq: 3, at: 5 },
    ])
    t.strictSame(await log.append([repeat], 6), [{ kind: 'duplicate', seq: 2, at: 5 }])
    t.strictSame(await log.unreleasedPackets('alice', 'phone'), [1, 2])
    await log.releasePackets([{ ...phone, packetId: 1 }])
    t.strictSame(await log.unreleasedPackets('alice', 'phone'), [2])
    t.strictSame(await log.append([repeat, packet(2)], 7), [
      { kind: 'appended', seq: 4, at: 7 },
      { kind: 'duplicate', seq: 3, at: 5 },
    ])
    t.equal((await log.read(town, { limit: 10 })).length, 4)
  })

  await t.test('takes the same content for a repeat, and other content for new', async (t) => {
    const { log } = await withPhone(t, makeEngine)
    await log.append([packet(1, { fingerprint: -7 })], 1)
    t.strictSame(kinds(await log.append([packet(1, { fingerprint: -7 })], 2)), ['duplicate'])
    t.strictSame(kinds(await log.append([packet(1, { fingerprint: 8 })], 3)), ['appended'])
    const repeat = packet(1, { isRepeat: true, fingerprint: 8 })
    t.strictSame(await log.append([repeat], 4), [{ kind: 'duplicate', seq: 2, at: 3 }])
    t.strictSame(await log.unreleasedPackets('alice', 'phone'), [1], 'the new one has the id')
  })

  await t.test('takes the id of a message that was stored under its own id before', async (t) => {
    const { log } = await withPhone(t, makeEngine)
    await log.append([text('alice', 'm1')], 1)
    const message = { ...packet(3), ...text('alice', 'm1') }
    t.strictSame(await log.append([message], 2), [{ kind: 'duplicate', seq: 1, at: 1 }])
    t.strictSame(await log.unreleasedPackets('alice', 'phone'), [3])
  })

  await t.test('is by device', async (t) => {
    const { log } = await withPhone(t, makeEngine)
    const batch = [packet(1), packet(1, { device: 'laptop' })]
    t.strictSame(kinds(await log.append(batch, 1)), ['appended', 'appended'])
    await log.releasePackets([{ ...phone, packetId: 1 }])
    t.strictSame(await log.unreleasedPackets('alice', 'laptop'), [1])
  })

  await t.test('stores a packet of a device that is not stored, and takes no id', async (t) => {
    const { log } = await withPhone(t, makeEngine)
    const stranger = packet(1, { device: 'stranger' })
    t.strictSame(kinds(await log.append([stranger, stranger], 1)), ['appended', 'appended'])
    t.strictSame(await log.unreleasedPackets('alice', 'stranger'), [])
  })

  await t.test('forgets the packet ids with the device', async (t) => {
    const { log, devices } = await withPhone(t, makeEngine)
    await log.append([packet(1)], 1)
    await devices.forget('alice', 'phone')
    t.strictSame(await log.unreleasedPackets('alice', 'phone'), [])
    await devices.save({ user: 'alice', device: 'phone', subscriptions: [] })
    t.strictSame(kinds(await log.append([packet(1, { isRepeat: true })], 2)), ['appended'])
  })

  await t.test('takes no id in a batch that fails', async (t) => {
    const { log, isPerEntry } = await withPhone(t, makeEngine)
    if (isPerEntry) return void t.pass('is not promised in a cluster')
    await t.rejects(log.append([packet(1), text('nobody')], 1))
    t.strictSame(await log.unreleasedPackets('alice', 'phone'), [])
    t.strictSame(kinds(await log.append([packet(1, { isRepeat: true })], 2)), ['appended'])
  })

  await t.test('releases many at once, and passes over what is not taken', async (t) => {
    const { log } = await withPhone(t, makeEngine)
    const ids = Array.from({ length: 200 }, (_, index) => index + 1)
    await log.append(
      ids.map((id) => packet(id)),
      1,
    )
    const unknown = { user: 'nobody', device: 'phone', packetId: 1 }
    const released = ids.slice(0, 150).map((packetId) => ({ ...phone, packetId }))
    await log.releasePackets([unknown, { ...phone, packetId: 999 }, ...released])
    await log.releasePackets([])
    t.strictSame(await log.unreleasedPackets('alice', 'phone'), ids.slice(150))
  })
}
