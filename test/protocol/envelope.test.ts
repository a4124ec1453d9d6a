// The envelope: what an app published is what every device gets, and nothing else.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { Conversation, MessageBody } from '../../protocol/entry.ts'
import { encodeEnvelope, parsePayload, peerOf } from '../../protocol/envelope.ts'
import { directConversation, isMessageId } from '../../protocol/ids.ts'
import { anyId, anyJson, anyText, objectOf, trickyName } from './support/arbitrary.ts'
import { holds, titleOf } from './support/property.ts'

const pair: Conversation = {
  kind: 'direct',
  id: directConversation('alice', 'bob'),
  users: ['alice', 'bob'],
}

/** The envelope of a body, as a device parses it. */
function envelopeOf(body: MessageBody, conversation: Conversation = pair, from = 'alice') {
  const entry = { conversation: conversation.id, from, body, seq: 7, at: 1234 }
  return JSON.parse(encodeEnvelope(conversation, entry)) as Record<string, unknown>
}

/** The body of a payload that must be valid. */
function bodyOf(payload: string | Buffer): MessageBody {
  const parsed = parsePayload(Buffer.from(payload))
  if (parsed.kind === 'invalid') throw new Error(`invalid: ${parsed.detail}`)
  return parsed.body
}

function fieldsOf(payload: string | Buffer): Record<string, unknown> {
  const { conversation, seq, from, to, at, ...fields } = envelopeOf(bodyOf(payload))
  return fields
}

function assertHas(object: Record<string, unknown>, members: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(members)) assert.deepEqual(object[name], value, name)
}

const kind = fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,31}$/).filter((name) => name !== 'void')
const unknownName = fc.oneof(trickyName, anyText)
const namedHere = new Set(['id', 'kind', 'text', 'media', 'data', 'replyTo', 'ext'])
const members = fc.record(
  {
    id: anyText.filter(isMessageId),
    kind,
    text: anyText,
    media: fc.oneof(anyText, fc.dictionary(unknownName, anyJson)),
    data: fc.base64String(),
    replyTo: fc.integer({ min: 1 }),
  },
  { requiredKeys: [] },
)
const extras = fc.uniqueArray(
  fc.tuple(
    unknownName.filter((name) => !namedHere.has(name)),
    anyJson,
  ),
  { selector: ([name]) => name, maxLength: 6 },
)
const given = fc.uniqueArray(
  fc.tuple(fc.oneof(unknownName, fc.constantFrom('id', 'text')), anyJson),
  {
    selector: ([name]) => name,
    maxLength: 6,
  },
)

t.test(
  'an object that keeps the schema arrives with all its members, unknown ones in ext',
  async (t) => {
    holds(
      t,
      fc.property(members, extras, fc.option(given), (known, unknown, ext) => {
        const all: [string, unknown][] = [...Object.entries(known), ...unknown]
        if (ext !== null) all.push(['ext', objectOf(ext)])
        const envelope = envelopeOf(bodyOf(JSON.stringify(objectOf(all))))
        const { text, media, data, replyTo } = known
        assert.deepEqual(
          [envelope.text, envelope.media, envelope.data, envelope.replyTo],
          [text, JSON.parse(JSON.stringify(media ?? null)) ?? undefined, data, replyTo],
        )
        assert.equal(envelope.id, known.id ?? '#7')
        const expected = new Map([...(ext ?? []), ...unknown])
        assert.deepEqual(new Map(Object.entries(envelope.ext ?? {})), expected)
        assertHas(envelope, { conversation: pair.id, seq: 7, from: 'alice', to: 'bob', at: 1234 })
      }),
      500,
    )
  },
)

t.test('a member is never given twice, whatever the names in ext and beside it', async (t) => {
  holds(
    t,
    fc.property(extras, given, (unknown, ext) => {
      const payload = JSON.stringify(objectOf([...unknown, ['ext', objectOf(ext)]]))
      const { fields } = bodyOf(payload)
      const parsed = JSON.parse(`{${fields}}`) as object
      return JSON.stringify(parsed).length === fields.length + 2
    }),
    500,
  )
})

t.test('names of the prototype are only names', async (t) => {
  const { ext } = fieldsOf('{"__proto__":{"admin":true},"constructor":1,"ext":{"__proto__":0}}')
  t.strictSame(JSON.stringify(ext), '{"__proto__":{"admin":true},"constructor":1}')
  t.equal(({} as { admin?: boolean }).admin, undefined)
})

t.test('an app cannot set what the server says about a message', async (t) => {
  const lies = { conversation: 'x', seq: 1, from: 'eve', to: 'eve', group: 'x', at: 0 }
  const envelope = envelopeOf(bodyOf(JSON.stringify({ ...lies, text: 'hello' })))
  t.match(envelope, { conversation: pair.id, seq: 7, from: 'alice', to: 'bob', at: 1234 })
  t.equal(envelope.group, undefined)
  t.strictSame(envelope.ext, lies)
})

t.test('text that is no JSON object arrives as text, character for character', async (t) => {
  const text = anyText
    .map((it) => Buffer.from(it).toString())
    .filter((it) => !it.trimStart().startsWith('{'))
  holds(
    t,
    fc.property(text, (it) => assert.deepEqual(fieldsOf(it), { id: '#7', kind: 'text', text: it })),
    500,
  )
  const texts = ['', 'null', '[1]', '"a"', '12', '{', '{"a":', '{"a":1}x', '\ufeff{}', '\u2028\0']
  for (const it of texts) t.match(fieldsOf(it), { kind: 'text', text: it }, titleOf(it))
})

t.test('text with escapes of JSON arrives as it was, lone surrogates too', async (t) => {
  holds(
    t,
    fc.property(anyText, (text) => assert.equal(fieldsOf(JSON.stringify({ text })).text, text)),
    500,
  )
  t.equal(fieldsOf('{"text":"\\ud800 \\u0000 \u2028"}').text, '\ud800 \0 \u2028')
})

t.test('every envelope is UTF-8 without control characters', async (t) => {
  holds(
    t,
    fc.property(fc.oneof(anyText, fc.json()), (payload) => {
      const parsed = parsePayload(Buffer.from(payload))
      if (parsed.kind === 'invalid') return true
      const entry = { conversation: pair.id, from: 'alice', body: parsed.body, seq: 1, at: 1 }
      const envelope = encodeEnvelope(pair, entry)
      return (
        Buffer.from(envelope).toString() === envelope &&
        !/\p{Cc}/u.test(envelope.replaceAll(/[\x7f-\x9f]/g, ''))
      )
    }),
    500,
  )
})

t.test('no bytes make it throw, and those that are no text come back by base64', async (t) => {
  holds(
    t,
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const parsed = parsePayload(Buffer.from(bytes))
      if (parsed.kind === 'invalid') return
      const { data, text } = envelopeOf(parsed.body)
      if (typeof data === 'string') assert.ok(Buffer.from(data, 'base64').equals(bytes))
      else assert.ok(Buffer.from(text as string).equals(bytes))
    }),
    1000,
  )
})

t.test('bytes that are nearly UTF-8 are data', async (t) => {
  for (const hex of ['ff', 'c080', 'eda080', 'f5808080', '7bff7d', 'e282', 'f0908080ff']) {
    const bytes = Buffer.from(hex, 'hex')
    t.strictSame(fieldsOf(bytes), { id: '#7', kind: 'data', data: bytes.toString('base64') }, hex)
  }
})

t.test('JSON that breaks the schema is invalid and the detail names the member', async (t) => {
  const cases: [string, RegExp][] = [
    ['{"text":5}', /text/],
    ['{"text":null}', /text/],
    ['{"id":7}', /id/],
    ['{"id":""}', /id/],
    ['{"id":"#1"}', /id/],
    ['{"id":"a\\nb"}', /id/],
    [`{"id":"${'x'.repeat(129)}"}`, /id/],
    ['{"kind":""}', /kind/],
    ['{"kind":"a b"}', /kind/],
    ['{"kind":"a\\n"}', /kind/],
    ['{"kind":"a\\",\\"from\\":\\"eve"}', /kind/],
    [`{"kind":"${'k'.repeat(33)}"}`, /kind/],
    ['{"kind":"void"}', /void/],
    ['{"media":7}', /media/],
    ['{"media":[]}', /media/],
    ['{"media":null}', /media/],
    ['{"data":{}}', /data/],
    ['{"replyTo":0}', /replyTo/],
    ['{"replyTo":1.5}', /replyTo/],
    ['{"replyTo":"1"}', /replyTo/],
    ['{"replyTo":1e999}', /replyTo/],
    ['{"ext":[1]}', /ext/],
    ['{"ext":"x"}', /ext/],
    ['{"ext":null}', /ext/],
  ]
  for (const [payload, detail] of cases) {
    const parsed = parsePayload(Buffer.from(payload))
    t.match(parsed, { kind: 'invalid', detail }, payload.slice(0, 60))
  }
})

t.test('without a kind it follows from what is there', async (t) => {
  const kinds = { text: '{"text":"","data":"AA=="}', media: '{"media":{}}', data: '{"data":""}' }
  for (const [name, payload] of Object.entries(kinds)) t.equal(fieldsOf(payload).kind, name)
  t.equal(fieldsOf('{}').kind, 'custom')
  t.equal(fieldsOf(' \n\t{"kind":"reaction"}').kind, 'reaction')
})

t.test('deep nesting never throws: it is invalid, or arrives', async (t) => {
  const nested = (depth: number) => [
    `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`,
    `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`,
    `{"media":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`,
  ]
  for (const payload of nested(50)) t.equal(parsePayload(Buffer.from(payload)).kind, 'body')
  for (const depth of [5000, 30_000, 200_000]) {
    for (const payload of nested(depth)) {
      const parsed = parsePayload(Buffer.from(payload))
      if (parsed.kind === 'body') t.doesNotThrow(() => JSON.parse(`{${parsed.body.fields}}`))
      else t.match(parsed.detail, /nested/)
    }
  }
})

t.test('a group message names its group, a direct one the other user', async (t) => {
  holds(
    t,
    fc.property(anyId, anyId, anyId, (a, b, group) => {
      const users = [a, b].sort() as [string, string]
      const direct: Conversation = { kind: 'direct', id: directConversation(a, b), users }
      const body = bodyOf('hi')
      assertHas(envelopeOf(body, direct, a), { from: a, to: b })
      assertHas(envelopeOf(body, direct, b), { from: b, to: a })
      const room: Conversation = { kind: 'group', id: `g:${group}`, group, title: 'x' }
      const { to, ...envelope } = envelopeOf(body, room, a)
      assert.deepEqual([to, envelope.group, envelope.from], [undefined, group, a])
    }),
    100,
  )
  t.equal(peerOf(['me', 'me'], 'me'), 'me', 'notes to oneself')
})
