// Publishers that do not read what they are answered, and devices that do not read what is
// explained.

import type { Test } from 'tap'
import t from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import { connectRaw, publishPacket, subscribePacket } from '../support/raw-client.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { bufferBytes, buffersAreBounded } from './buffers.ts'
import type { Bystanders } from './bystanders.ts'
import { makeBystanders } from './bystanders.ts'

/** Writes publishes that are all refused, without reading, until the server stops reading them: the
 * bystanders chat on while nothing drains. Returns how many were written. */
async function floodUnread(t: Test, client: RawClient, bystanders: Bystanders): Promise<number> {
  client.pause()
  let written = 0
  for (;;) {
    const packets = Array.from({ length: 500 }, () =>
      publishPacket('g/foreign/msg', 'x'.repeat(100), (written++ % 65_535) + 1),
    )
    client.send(...packets)
    for (let rounds = 0; client.stream.writableNeedDrain; rounds++) {
      if (rounds >= 10) return written
      await bystanders.areUnharmed(t)
    }
  }
}

t.test('a publisher that reads no answers is not read either, and then answered', async (t) => {
  const server = await startTestServer(t)
  const bystanders = await makeBystanders(t, server)
  const mallory = await connectRaw(t, server, { user: 'mallory', id: 'phone' })
  mallory.send(subscribePacket('u/mallory/#', 1))
  await mallory.wait('suback')
  const before = bufferBytes()
  const written = await floodUnread(t, mallory, bystanders)
  await buffersAreBounded(t, before, `${written} publishes`)
  mallory.resume()
  await until('every publish is answered', () => mallory.of('puback').length >= written, 20_000)
  t.same(
    mallory.of('puback').map(({ messageId }) => messageId),
    Array.from({ length: written }, (_, index) => (index % 65_535) + 1),
  )
  t.ok(mallory.of('publish').length > 0, 'and explained, as far as there was room')
  await bystanders.areUnharmed(t)
})

t.test('explanations do not pile up for a device that does not read', async (t) => {
  const server = await startTestServer(t)
  const bystanders = await makeBystanders(t, server)
  for (const id of ['laptop', 'tablet', 'watch', 'car']) {
    const stopped = await connectRaw(t, server, { user: 'mallory', id })
    stopped.send(subscribePacket('u/mallory/#', 1))
    await stopped.wait('suback')
    stopped.pause()
  }
  const phone = await connectRaw(t, server, { user: 'mallory', id: 'phone' })
  const before = bufferBytes()
  const topic = `g/${'x'.repeat(128)}/msg`
  const batches = 60
  for (let batch = 1; batch <= batches; batch++) {
    const packets = Array.from({ length: 2000 }, (_, i) => publishPacket(topic, 'hi', i + 1))
    phone.send(...packets)
    await phone.wait('puback', batch * 2000)
  }
  await buffersAreBounded(t, before, `${batches * 2000} refusals`)
  await bystanders.areUnharmed(t)
})
