// Which publishes are taken for ones that came before: the certain ones, the likely ones of clients
// that count their packet ids up, and never one that may be new.

import t from 'tap'
import { makeRetransmissions, PublishRecords } from '../../broker/retransmissions.ts'

const content = 12_345

interface Play {
  readonly records: PublishRecords
  /** Publishes under these ids, one after the other, each answered in the round. */
  say(ids: readonly number[], more?: { readonly delivered?: number; readonly round?: number }): void
  /** The connection ends, and the next one begins. */
  again(heardIn?: number, openedIn?: number): void
}

function play(): Play {
  const records = new PublishRecords()
  return {
    records,
    say(ids, { delivered = 0, round = 0 } = {}) {
      for (const id of ids) {
        records.used(id, true)
        records.answered(records.note(id, content), round, delivered)
      }
    },
    again(heardIn = 0, openedIn = 0) {
      records.disconnected(openedIn, heardIn)
      records.connected()
    },
  }
}

t.test('of a client that counts up, an answered publish is known, once', async (t) => {
  const { records, say, again } = play()
  say([1, 2, 3, 4, 5])
  again()
  t.equal(records.find(5, content + 1), 'unknown', 'with other content it is another')
  t.equal(records.find(6, content), 'unknown', 'under another id too')
  t.equal(records.find(5, content), 'stored')
  t.equal(records.find(5, content), 'unknown')
  t.equal(records.find(1, content), 'stored', 'an older one as well')
})

t.test('within its connection nothing is taken for a repetition', async (t) => {
  const { records, say } = play()
  say([1, 2, 3, 4, 5])
  t.equal(records.find(5, content), 'unknown')
})

t.test('an id that is in use again hides what was under it before', async (t) => {
  const { records, say, again } = play()
  say([1, 2, 3, 4, 5])
  again()
  say([5])
  t.equal(records.find(5, content), 'unknown')
})

for (const [what, ids] of [
  ['the lowest free id', [1, 1, 1, 1, 1]],
  ['few ids in turn', [1, 2, 3, 4, 1]],
  ['too few ids to tell', [1, 2, 3]],
] as const) {
  t.test(`of a client that uses ${what}, an answered publish is not believed`, async (t) => {
    const { records, say, again } = play()
    say(ids)
    again()
    t.equal(records.find(ids.at(-1) ?? 0, content), 'unknown')
  })
}

t.test('a burst does not show that a client counts up', async (t) => {
  const { records, again } = play()
  for (const id of [1, 2, 3, 4, 5, 6]) {
    records.used(id, id === 1)
    records.answered(records.note(id, content), 0, 0)
  }
  again()
  t.equal(records.find(1, content), 'unknown')
})

t.test('that a client counts up is remembered over its connections', async (t) => {
  const { records, say, again } = play()
  say([1, 2, 3, 4])
  again()
  say([5])
  again()
  t.equal(records.find(5, content), 'stored')
  again()
  say([1])
  again()
  t.equal(records.find(1, content), 'unknown', 'until it begins anew')
})

t.test('a client that began anew and counts again is not taken for the old one', async (t) => {
  const { records, say, again } = play()
  say([1, 2, 3, 4, 5, 6])
  again()
  say([1, 2, 3, 4, 5])
  again()
  t.equal(records.find(6, content), 'unknown')
  t.equal(records.find(5, content), 'stored')
})

t.test('a PUBACK that never left is certain, whatever ids the client uses', async (t) => {
  const { records, say, again } = play()
  say([1, 1])
  records.used(1, true)
  const record = records.note(1, content)
  again()
  t.equal(records.find(1, content), 'pending')
  let settled = 0
  records.onSettled(() => settled++)
  records.unanswered(record)
  t.equal(settled, 1)
  t.equal(records.find(1, content), 'stored')
})

t.test('what could not be stored is unknown', async (t) => {
  const { records, again } = play()
  const record = records.note(1, content)
  again()
  records.failed(record)
  t.equal(records.find(1, content), 'unknown')
})

t.test('a newer use of the id hides the older', async (t) => {
  const { records, say, again } = play()
  const record = records.note(1, content)
  records.unanswered(record)
  records.note(1, content + 1)
  say([2, 3, 4, 5])
  again()
  t.equal(records.find(1, content), 'unknown')
})

t.test('a delivery that is acknowledged proves the PUBACKs before it', async (t) => {
  const { records, say, again } = play()
  say([1, 2, 3], { delivered: 7 })
  say([4, 5], { delivered: 8 })
  records.heard(7)
  records.heard(8)
  again()
  for (const id of [1, 2, 3]) t.equal(records.find(id, content), 'unknown', `${id}`)
  for (const id of [4, 5]) t.equal(records.find(id, content), 'stored', `${id}`)
})

t.test('deliveries are compared where their ids go round', async (t) => {
  const { records, say, again } = play()
  say([1, 2, 3, 4], { delivered: 32_767 })
  say([5], { delivered: 1 })
  records.heard(32_766)
  records.heard(1)
  again()
  t.equal(records.find(4, content), 'unknown')
  t.equal(records.find(5, content), 'stored')
})

t.test('who is still heard after a minute has the PUBACK', async (t) => {
  const { records, say, again } = play()
  say([1, 2, 3, 4], { round: 100 })
  say([5], { round: 130 })
  again(161)
  t.equal(records.find(4, content), 'unknown')
  t.equal(records.find(5, content), 'stored')
})

t.test('what was not sent again in a minute will not be', async (t) => {
  const { records, say, again } = play()
  say([1, 2, 3, 4, 5], { round: 10 })
  again(12, 0)
  again(320, 300)
  t.equal(records.find(5, content), 'stored', 'after a short connection it may still be')
  again(400, 330)
  t.equal(records.find(4, content), 'unknown')
})

t.test('the last 64 publishes are known', async (t) => {
  const { records, say, again } = play()
  say(Array.from({ length: 200 }, (_, index) => index + 1))
  records.heard(0)
  again()
  t.equal(records.find(136, content), 'unknown')
  t.equal(records.find(137, content), 'stored')
  t.equal(records.find(200, content), 'stored')
})

t.test('a record that was overwritten is settled without harm', async (t) => {
  const { records, say, again } = play()
  const old = records.note(1, content)
  const recordOf64Later = 65
  say(Array.from({ length: 64 }, (_, index) => index + 2))
  records.failed(old)
  again()
  t.equal(records.find(recordOf64Later, content), 'stored')
})

t.test('records are kept of the devices that connected last', async (t) => {
  const { recall, begin, forget } = makeRetransmissions(2)
  const [a, b] = [begin('a'), begin('b')]
  t.equal(recall('a'), a)
  begin('c')
  t.equal(recall('b'), undefined)
  t.equal(recall('a'), a)
  forget('a')
  t.equal(recall('a'), undefined)
  t.not(b, a)
})
