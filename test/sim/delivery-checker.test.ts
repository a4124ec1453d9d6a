// The receivers' half of the checker, rule by rule: what it lets pass, and a violation of each.

import t from 'tap'
import type { DeliveryChecker, DeviceFacts, Watched } from './delivery-checker.ts'
import { makeDeliveryChecker } from './delivery-checker.ts'

const club = 'g:club'

interface Bench {
  readonly checker: DeliveryChecker
  readonly violations: string[]
  readonly facts: DeviceFacts
  /** Stores so many entries: m1, m2, … */
  store(count: number): void
  connect(): Watched
  /** Connects, and subscribes to groups. */
  listen(): Watched
  /** Delivers these positions and acknowledges them. */
  take(watched: Watched, ...seqs: number[]): void
  deliver(watched: Watched, seq: number, more?: object): void
}

function makeBench(more: Partial<DeviceFacts> = {}, isDupCertain = false): Bench {
  const violations: string[] = []
  const report = (violation: string) => void violations.push(violation)
  const checker = makeDeliveryChecker(report, { windowEntriesMax: 4, isDupCertain })
  const facts: DeviceFacts = { user: 'ann', name: 'ann/phone', qos: 1, clean: false, ...more }
  let head = 0
  let packetId = 0
  checker.joined('ann', club, 0)
  const bench: Bench = {
    checker,
    violations,
    facts,
    store(count) {
      for (const end = head + count; head < end; ) {
        head++
        checker.committed({ conversation: club, seq: head, key: `m${head}` })
        checker.announced({ conversation: club, seq: head })
      }
    },
    connect() {
      const watched = checker.connecting(facts)
      checker.connected(watched)
      return watched
    },
    listen() {
      const watched = bench.connect()
      checker.subscribing(facts, 'g')()
      return watched
    },
    take(watched, ...seqs) {
      for (const seq of seqs) {
        bench.deliver(watched, seq)
        if (facts.qos > 0) checker.acknowledged(watched, packetId)
      }
    },
    deliver(watched, seq, changes = {}) {
      packetId = facts.qos === 0 ? 0 : packetId + 1
      const { qos } = facts
      const delivered = { conversation: club, seq, key: `m${seq}`, qos, dup: false, packetId }
      checker.delivered(watched, { ...delivered, ...changes })
    },
  }
  return bench
}

t.test('what is in order, repeated without acknowledgement, and complete', async (t) => {
  const { checker, violations, facts, store, connect, listen, take, deliver } = makeBench()
  store(2)
  const watched = listen()
  store(4)
  take(watched, 3, 4)
  deliver(watched, 5)
  checker.cursorStored(facts, club, 4)
  const next = connect()
  deliver(next, 5, { dup: true })
  take(next, 6)
  t.same([...violations, ...checker.missing(next)], [])
})

t.test('another entry at a position', async (t) => {
  const { violations, store, listen, deliver } = makeBench()
  const watched = listen()
  store(2)
  deliver(watched, 1, { key: 'm2' })
  t.match(violations, [/1 is m2, but the log holds m1/])
})

t.test('a position that was never stored', async (t) => {
  const { violations, listen, deliver } = makeBench()
  deliver(listen(), 1)
  t.match(violations, [/1 is m1, but the log holds undefined/])
})

t.test('a log with a hole', async (t) => {
  const { checker, violations } = makeBench()
  checker.committed({ conversation: club, seq: 2, key: 'm2' })
  t.match(violations, [/2 is stored after 0/])
})

t.test('a dropped entry, an entry that comes twice, and two that are swapped', async (t) => {
  for (const [seqs, seen] of [
    [[1, 3], /3 follows 1/],
    [[1, 1], /1 after 1/],
    [[2, 1], /2, but 1 is missing/],
    [[1, 2, 4, 3], /4 follows 2/],
  ] as const) {
    const { violations, store, listen, take } = makeBench()
    const watched = listen()
    store(4)
    take(watched, ...seqs)
    t.match(violations[0], seen, `${seqs}`)
  }
})

t.test('a connection that begins too high', async (t) => {
  const { violations, store, connect, listen, take } = makeBench()
  const watched = listen()
  store(4)
  take(watched, 1)
  take(connect(), 3)
  t.match(violations, [/3, but 2 is missing/])
})

t.test('what is older than the subscription', async (t) => {
  const { violations, store, listen, take } = makeBench()
  store(4)
  take(listen(), 3)
  t.match(violations, [/3 is older than the subscription/])
})

t.test('a delivery to one who never was a member, and to one who has left', async (t) => {
  const stranger = makeBench({ user: 'eve', name: 'eve/phone' })
  const watched = stranger.listen()
  stranger.store(1)
  stranger.take(watched, 1)
  t.match(stranger.violations[0], /eve is no member there/)
  const { checker, violations, store, listen, take } = makeBench()
  const left = listen()
  store(2)
  checker.leaving('ann', club)
  checker.left('ann', club)
  store(1)
  take(left, 1, 2)
  t.same(violations, [], 'what was on its way may come')
  take(left, 3)
  t.match(violations, [/3, but ann is no member there/])
})

t.test('what was stored between leaving and joining again', async (t) => {
  const { checker, violations, store, listen, take } = makeBench()
  const watched = listen()
  store(1)
  take(watched, 1)
  checker.leaving('ann', club)
  checker.left('ann', club)
  store(2)
  checker.joined('ann', club, 3)
  store(1)
  take(watched, 4)
  t.same(violations, [])
  const other = makeBench()
  const again = other.listen()
  other.checker.leaving('ann', club)
  other.checker.left('ann', club)
  other.store(1)
  other.checker.joined('ann', club, 1)
  other.take(again, 1)
  t.match(other.violations[0], /1, but ann is no member there/)
})

t.test('a delivery without a subscription', async (t) => {
  const { checker, violations, facts, store, listen, take } = makeBench()
  const watched = listen()
  store(1)
  checker.unsubscribing(facts, 'g')()
  take(watched, 1)
  t.match(violations, [/does not subscribe/])
})

t.test('what comes again after its cursor was stored', async (t) => {
  const { checker, violations, facts, store, connect, listen, take } = makeBench()
  const watched = listen()
  store(2)
  take(watched, 1, 2)
  checker.cursorStored(facts, club, 1)
  take(connect(), 2)
  t.same(violations, [], 'what was not flushed may come again')
  take(connect(), 1)
  t.match(violations, [/1 is repeated/])
})

t.test('what comes again when everything is flushed', async (t) => {
  const { checker, violations, store, connect, listen, take } = makeBench()
  const watched = listen()
  store(2)
  take(watched, 1, 2)
  checker.allIsFlushed()
  take(connect(), 2)
  t.match(violations, [/2 is repeated/])
})

t.test('anything that comes again at QoS 0', async (t) => {
  const { violations, store, connect, listen, take } = makeBench({ qos: 0 })
  const watched = listen()
  store(2)
  take(watched, 1, 2)
  take(connect(), 2)
  t.match(violations, [/2 is repeated/])
})

t.test('DUP on what cannot have been sent, and no DUP on what was', async (t) => {
  const { violations, store, connect, listen, take, deliver } = makeBench({}, true)
  const watched = listen()
  store(2)
  deliver(watched, 1, { dup: true })
  t.match(violations, [/1 is DUP, and was never sent/])
  take(watched, 2)
  deliver(connect(), 2)
  t.match(violations[1], /2 is repeated without DUP/)
})

t.test('a packet id that is in use, a QoS that is not granted, a window exceeded', async (t) => {
  const { violations, store, listen, deliver } = makeBench()
  const watched = listen()
  store(6)
  deliver(watched, 1)
  deliver(watched, 2, { packetId: 1 })
  deliver(watched, 3, { qos: 0, packetId: 0 })
  t.match(violations, [/2 has packet id 1/, /3 at QoS 0/])
  deliver(watched, 4)
  deliver(watched, 5)
  t.equal(violations.length, 2)
  deliver(watched, 6, { packetId: 7 })
  deliver(watched, 7, { packetId: 8 })
  t.match(violations.at(-1), /5 are unacknowledged/)
})

t.test('a cursor that skips what was not acknowledged', async (t) => {
  const { checker, violations, facts, store, listen, take, deliver } = makeBench()
  const watched = listen()
  store(3)
  take(watched, 1)
  deliver(watched, 2)
  checker.cursorStored(facts, club, 1)
  t.same(violations, [])
  checker.cursorStored(facts, club, 2)
  t.match(violations, [/cursor of g:club is 2, 2 is not acknowledged/])
})

t.test('an entry that never comes', async (t) => {
  const { checker, store, listen, take } = makeBench()
  const watched = listen()
  store(2)
  take(watched, 1)
  t.match(checker.missing(watched), [/has 2 entries, it waits for 2/])
})
