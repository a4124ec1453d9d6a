// The publishers' half of the checker, rule by rule: what it lets pass, and a violation of each.

import t from 'tap'
import type { LogChecker, Publish, Unanswered } from './log-checker.ts'
import { makeLogChecker } from './log-checker.ts'

interface Bench {
  readonly checker: LogChecker
  readonly unanswered: Unanswered
  readonly violations: string[]
  store(publish: Publish, at?: { readonly conversation?: string; readonly from?: string }): void
}

function makeBench(): Bench {
  const violations: string[] = []
  const checker = makeLogChecker((it) => violations.push(it))
  const store: Bench['store'] = ({ key, conversation, user }, at = {}) =>
    checker.committed({ conversation, from: user, ...at }, key)
  return { checker, unanswered: new Map(), violations, store }
}

function makePublish(number: number, more: Partial<Publish> = {}): Publish {
  return {
    key: `m${number}`,
    user: 'ann',
    device: 'ann/phone',
    conversation: 'g:club',
    qos: 1,
    hasId: false,
    isDurable: true,
    number,
    ...more,
  }
}

const first = makePublish(1)
const second = makePublish(2)

t.test('publishes that are stored, acknowledged, and sent again without an id', async (t) => {
  const { checker, unanswered, violations, store } = makeBench()
  for (const publish of [first, second]) checker.sent(publish, unanswered)
  for (const publish of [first, second]) store(publish)
  checker.acknowledged(first, unanswered)
  const next: Unanswered = new Map()
  checker.sent(second, next)
  store(second)
  checker.acknowledged(second, next)
  t.same(violations, [])
})

t.test('an acknowledgement before the commit', async (t) => {
  const { checker, unanswered, violations } = makeBench()
  checker.sent(first, unanswered)
  checker.acknowledged(first, unanswered)
  t.match(violations, [/acknowledged, and not stored/])
})

t.test('a refusal is an answer, where the sender may have been no member', async (t) => {
  const { checker, unanswered, violations } = makeBench()
  checker.sent(first, unanswered)
  checker.refused(first, 'not-a-member')
  t.match(violations, [/is refused: not-a-member/])
  checker.mayBeRefused('ann', 'g:club')
  checker.refused(first, 'not-a-member')
  checker.acknowledged(first, unanswered)
  t.equal(violations.length, 1)
})

t.test('acknowledgements in another order than the publishes', async (t) => {
  const { checker, unanswered, violations, store } = makeBench()
  for (const publish of [first, second]) checker.sent(publish, unanswered)
  for (const publish of [first, second]) store(publish)
  checker.acknowledged(second, unanswered)
  t.match(violations, [/m2 .*out of turn/])
})

t.test('a message with an id that is stored twice', async (t) => {
  const { checker, unanswered, violations, store } = makeBench()
  const publish = makePublish(1, { hasId: true })
  checker.sent(publish, unanswered)
  checker.sent(publish, new Map())
  store(publish)
  store(publish)
  t.match(violations, [/stored 2 times/])
})

t.test('a message that was sent once and is stored twice', async (t) => {
  for (const qos of [0, 1, 2] as const) {
    const { checker, unanswered, violations, store } = makeBench()
    const publish = makePublish(1, { qos })
    checker.sent(publish, unanswered)
    store(publish)
    store(publish)
    t.match(violations, [/stored 2 times/], `QoS ${qos}`)
  }
})

t.test('a QoS 2 message of a durable device that is stored again', async (t) => {
  for (const isDurable of [false, true]) {
    const { checker, unanswered, violations, store } = makeBench()
    const publish = makePublish(1, { qos: 2, isDurable })
    checker.sent(publish, unanswered)
    checker.sent(publish, new Map())
    store(publish)
    store(publish)
    t.equal(violations.length, isDurable ? 1 : 0)
  }
})

t.test('messages of a device that are stored in another order', async (t) => {
  const { checker, unanswered, violations, store } = makeBench()
  for (const publish of [first, second]) checker.sent(publish, unanswered)
  store(second)
  store(first)
  t.match(violations, [/m1 .*after a later one/])
})

t.test('a message of nobody, of another sender, in another conversation', async (t) => {
  const { checker, unanswered, violations, store } = makeBench()
  store(first)
  checker.sent(first, unanswered)
  checker.sent(second, unanswered)
  store(first, { from: 'bob' })
  store(second, { conversation: 'g:town' })
  t.match(violations, [/nobody published it/, /a message of bob/, /stored in g:town/])
})
