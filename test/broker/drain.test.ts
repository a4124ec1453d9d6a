// How the broker sends its clients away when it stops.

import t from 'tap'
import { until } from '../support/until.ts'
import { connectRaw, makeBenchBroker, publish } from './support/bench-broker.ts'

t.test('a client is sent away after its publishes are answered, the others before', async (t) => {
  const bench = await makeBenchBroker(t)
  bench.world.memory.group('town', 'alice')
  const [writer, idle] = [
    await connectRaw(t, bench.port, 'alice'),
    await connectRaw(t, bench.port, 'bob'),
  ]
  bench.hold()
  writer.send(publish('g/town/msg', 'first', 1), publish('g/town/msg', 'second', 2))
  await until('both wait for the store', () => bench.asked() === 2)
  const closed = bench.broker.close(10_000)
  await until('the idle client is away', idle.isClosed)
  t.notOk(writer.isClosed())
  bench.release()
  await closed
  t.same(
    (await writer.got('puback', 2)).map((packet) => packet.messageId),
    [1, 2],
  )
  await until('the writer is away', writer.isClosed)
})

t.test('what comes after its turn is not read', async (t) => {
  const bench = await makeBenchBroker(t)
  bench.world.memory.group('town', 'alice')
  const writer = await connectRaw(t, bench.port, 'alice')
  bench.hold()
  writer.send(publish('g/town/msg', 'first', 1))
  await until('it waits for the store', () => bench.asked() === 1)
  const closed = bench.broker.close(10_000)
  writer.send(publish('g/town/msg', 'second', 2))
  bench.release()
  await closed
  t.equal((await writer.got('puback')).length, 1)
  t.same(bench.stored, ['first'])
})
