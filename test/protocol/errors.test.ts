// The catalogue of errors is complete and agrees with itself.

import { STATUS_CODES } from 'node:http'
import t from 'tap'
import { type ErrorCode, errorCatalogue, Refusal } from '../../protocol/errors.ts'

const entries = Object.entries(errorCatalogue)

t.test('every error has a name of small words, a sentence and a known HTTP status', async (t) => {
  for (const [code, { meaning, http }] of entries) {
    t.match(code, /^[a-z]+(-[a-z]+)*$/)
    t.match(meaning, /^[A-Z].*\.$/, code)
    t.ok(http >= 400 && STATUS_CODES[http] !== undefined, code)
  }
})

t.test('no two errors mean the same', async (t) => {
  t.equal(new Set(entries.map(([, { meaning }]) => meaning)).size, entries.length)
})

t.test('what may pass by itself is retryable, and only that', async (t) => {
  for (const [code, { http, retryable }] of entries) {
    t.equal(retryable, http >= 500 || http === 429, code)
  }
})

t.test('an error that is acknowledged is final, or says so by its name', async (t) => {
  // An explained message is dropped: a client that need not send it again must not lose it.
  for (const [code, { mqtt, retryable }] of entries) {
    if (mqtt === 'explain' && code !== 'rate-limited') t.equal(retryable, false, code)
  }
})

t.test('a message that could not be stored is never acknowledged', async (t) => {
  t.equal(errorCatalogue['store-unavailable'].mqtt, 'close')
  t.equal(errorCatalogue.internal.mqtt, 'close')
})

t.test('a refusal carries its code, and the meaning unless it knows better', async (t) => {
  for (const code of Object.keys(errorCatalogue) as ErrorCode[]) {
    const refusal = new Refusal(code)
    t.match(refusal, { name: 'Refusal', code, message: errorCatalogue[code].meaning })
    t.equal(new Refusal(code, 'because').message, 'because')
    t.ok(refusal instanceof Error)
  }
})

t.test('a publish is refused with reasons that PUBACK and PUBREC may carry', async (t) => {
  const allowed: readonly number[] = [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]
  for (const [code, { mqtt, reason }] of entries) {
    if (mqtt === 'explain' || mqtt === 'connack5') t.ok(allowed.includes(reason), code)
  }
})
