// The checker of a receiver, and the marks it goes by.

import t from 'tap'
import { makeChecker } from '../../bench/load/checker.ts'
import { fill, makeComposer, makeMarkReader } from '../../bench/load/templates.ts'

t.test('the checker tells what came twice and what came late from what is missing', async (t) => {
  const checker = makeChecker()
  const notes = (numbers: readonly number[]) => numbers.map((number) => checker.note(7, number))
  t.same(notes([0, 1]), ['new', 'new'])
  t.same(notes([1, 0]), ['duplicate', 'duplicate'], 'what had come')
  t.same(notes([4]), ['new'], 'a gap by itself is no fault: its messages may be lost')
  t.same(notes([4]), ['duplicate'], 'above a gap, too')
  t.same(notes([2]), ['late'])
  t.same(notes([5, 6]), ['new', 'new'])
  t.same(notes([3, 3, 5]), ['late', 'duplicate', 'duplicate'])
  t.same(notes([7]), ['new'])
})

t.test('the checker keeps senders apart', async (t) => {
  const checker = makeChecker()
  t.equal(checker.note(1, 0), 'new')
  t.equal(checker.note(2, 0), 'new')
  t.equal(checker.note(1, 0), 'duplicate')
})

t.test('a mark is found in whatever envelope surrounds the payload', async (t) => {
  const body = '{"id":"{id}","text":"{mark}","city":"Zürich"}'
  const composer = makeComposer({ body, size: 60, run: 'run', sender: 12 })
  const payload = Buffer.from(composer.compose(345, 1_234_567_890_123), 'latin1')
  const { id, text, city } = JSON.parse(payload.toString())
  t.same([id, text.length, city], ['run-12-345', 60, 'Zürich'])

  const reader = makeMarkReader()
  for (const before of ['', '{"seq":9,"text":', '@', 'x'.repeat(300)]) {
    const bytes = Buffer.concat([Buffer.from(before), payload, Buffer.from('}')])
    t.ok(reader.read(bytes, 0, bytes.length))
    t.same([reader.sender, reader.number, reader.at], [12, 345, 1_234_567_890_123])
  }
})

t.test('what is no mark is not read', async (t) => {
  const reader = makeMarkReader()
  for (const text of ['', '{"text":"hello"}', '@@', '@@1,2@@', '@@1,2,x@@', '@@1,2,3']) {
    const bytes = Buffer.from(text)
    t.notOk(reader.read(bytes, 0, bytes.length), text)
  }
  const two = Buffer.from('hello @@1,2,3@@')
  t.notOk(reader.read(two, 0, 5), 'one that lies behind the payload')
})

t.test('templates take the numbers of the pair and of the member', async (t) => {
  t.equal(fill('u/r{i}/{m}/{i}', 3, 4), 'u/r3/4/3')
})
