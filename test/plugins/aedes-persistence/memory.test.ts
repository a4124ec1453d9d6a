// What aedes keeps in memory: the contract, and what concerns memory only.

import t from 'tap'
import { makePlainPersistence } from '../../../plugins/aedes-persistence/memory.ts'
import { retainedOf, testPlainPersistence } from '../../contract/plain-persistence.ts'

const limits = {
  messagesMax: 3,
  bytesMax: 484,
  bytesInAllMax: 10_000,
  retainedMax: 3,
  retainedBytesMax: 10_000,
}
const warnings: object[] = []
const ignore = () => {}
const warn = (context: object) => void warnings.push(context)
const logger = { debug: ignore, info: ignore, warn, error: ignore }

t.test('the contract', (t) =>
  testPlainPersistence(t, async (_t, limits, now) => makePlainPersistence(limits, logger, now)),
)

t.test('a retained payload is no part of a larger buffer', async (t) => {
  const persistence = makePlainPersistence(limits, logger)
  const payload = Buffer.alloc(100_000, 'x').subarray(10, 20)
  await persistence.storeRetained({ topic: 't/1', payload, qos: 0 })
  for await (const kept of persistence.createRetainedStreamCombi(['t/1'])) {
    t.equal(kept.payload.buffer.byteLength, 10)
  }
})

t.test('a full store looks for what is over at most once a second', async (t) => {
  let time = 1000
  const persistence = makePlainPersistence(limits, logger, () => time)
  const payload = Buffer.from('x')
  const store = (topic: string, messageExpiry: number) =>
    persistence.storeRetained({ topic, payload, qos: 0, messageExpiry })
  for (const [index, topic] of ['t/1', 't/2', 't/3'].entries()) await store(topic, 2000 + index)
  time = 2000
  await store('t/4', 9000)
  time = 2999
  await store('t/5', 9000)
  t.same(await retainedOf(persistence), ['t/4 x'], 'two are over, which nobody has looked for')
  for (const topic of ['t/6', 't/7']) await store(topic, 9000)
  t.same(await retainedOf(persistence), ['t/4 x', 't/6 x', 't/7 x'])
})

t.test('what finds no room as a retained message is told once', async (t) => {
  warnings.length = 0
  const persistence = makePlainPersistence(limits, logger)
  const payload = Buffer.from('x')
  for (const topic of ['t/1', 't/2', 't/3', 't/4', 't/5']) {
    await persistence.storeRetained({ topic, payload, qos: 1 })
  }
  t.same(warnings, [{ retainedMax: 3, retainedBytesMax: 10_000 }])
})
