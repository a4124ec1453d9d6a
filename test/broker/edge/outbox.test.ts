// The joined writer: one write per socket and turn, in order, with true counts.

import { Duplex, PassThrough } from 'node:stream'
import t from 'tap'
import { Postman } from '../../../broker/edge/outbox.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A socket that takes bytes when told to. */
class SlowSocket extends Duplex {
  readonly writes: string[] = []
  isOpen = true
  #waiting: (() => void) | undefined

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.writes.push(chunk.toString())
    if (this.isOpen) done()
    else this.#waiting = done
  }

  unblock(): void {
    this.isOpen = true
    this.#waiting?.()
  }
}

t.test('what is written in one turn leaves in one write, in order', async (t) => {
  const postman = new Postman()
  const [one, other] = [new SlowSocket(), new SlowSocket()]
  const [first, second] = [postman.outbox(one, () => {}), postman.outbox(other, () => {})]
  for (const part of ['a', 'b', 'c']) {
    first.write(Buffer.from(part))
    second.write(Buffer.from(part.toUpperCase()))
  }
  t.same(one.writes, [], 'not before the end of the turn')
  await turn()
  t.same([one.writes, other.writes], [['abc'], ['ABC']])
  first.write(Buffer.from('d'))
  await turn()
  t.same(one.writes, ['abc', 'd'])
})

t.test('flush writes at once, once, and what follows goes with the turn', async (t) => {
  const socket = new SlowSocket()
  const outbox = new Postman().outbox(socket, () => {})
  outbox.write(Buffer.from('a'))
  outbox.flush()
  outbox.flush()
  t.same(socket.writes, ['a'])
  outbox.write(Buffer.from('b'))
  outbox.write(Buffer.from('c'))
  await turn()
  await turn()
  t.same(socket.writes, ['a', 'bc'])
})

t.test('unsent bytes are those that wait here and those the socket has not taken', async (t) => {
  const socket = new SlowSocket()
  socket.isOpen = false
  const outbox = new Postman().outbox(socket, () => {})
  t.equal(outbox.unsentBytes(), 0)
  outbox.write(Buffer.alloc(10))
  t.equal(outbox.unsentBytes(), 10)
  await turn()
  t.equal(outbox.unsentBytes(), 10, 'the socket has them, but did not take them')
  outbox.write(Buffer.alloc(5))
  t.equal(outbox.unsentBytes(), 15)
  socket.unblock()
  t.equal(outbox.unsentBytes(), 5)
  await turn()
  t.equal(outbox.unsentBytes(), 0)
})

t.test('nothing is written to a socket that was ended or destroyed', async (t) => {
  for (const end of ['end', 'destroy'] as const) {
    const socket = new SlowSocket()
    const errors: Error[] = []
    socket.on('error', (error) => errors.push(error))
    const outbox = new Postman().outbox(socket, () => {})
    outbox.write(Buffer.from('late'))
    socket[end]()
    outbox.write(Buffer.from('later'))
    await turn()
    await turn()
    t.same([socket.writes, errors], [[], []], end)
    t.equal(outbox.unsentBytes(), 0, 'and nothing is kept')
  }
})

t.test('one socket that fails does not keep the mail of the others', async (t) => {
  const postman = new Postman()
  const [broken, sound] = [new SlowSocket(), new SlowSocket()]
  broken.on('error', () => {})
  postman.outbox(broken, () => {}).write(Buffer.from('a'))
  postman.outbox(sound, () => {}).write(Buffer.from('b'))
  broken.destroy(new Error('reset'))
  await turn()
  t.same(sound.writes, ['b'])
})

t.test('it tells when the socket has room for more, and a full one tells by itself', async (t) => {
  const socket = new PassThrough({ highWaterMark: 100 })
  let taken = 0
  const outbox = new Postman().outbox(socket, () => taken++)
  outbox.write(Buffer.alloc(50))
  outbox.flush()
  t.equal(taken, 1)
  outbox.write(Buffer.alloc(500))
  outbox.flush()
  t.equal(taken, 1)
  t.equal(socket.writableNeedDrain, true)
})
