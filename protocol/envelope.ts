// The envelope: from the bytes an app published to a checked message body, and from an entry of
// the log to the JSON every device gets. Pure; the only place that knows the envelope's fields.

import { isUtf8 } from 'node:buffer'
import type { Static } from 'typebox'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Conversation, Entry, MessageBody } from './entry.ts'
import { isMessageId, serverMessageId } from './ids.ts'
import { kindLengthMax } from './limits.ts'

/** The JSON object an app may publish. Members that are not named here travel under `ext`. */
const messagePayload = Type.Object(
  {
    id: Type.Optional(Type.String({ description: "The app's id: sending it again is harmless." })),
    kind: Type.Optional(
      Type.String({ pattern: `^[A-Za-z][A-Za-z0-9._-]{0,${kindLengthMax - 1}}$` }),
    ),
    text: Type.Optional(Type.String()),
    media: Type.Optional(Type.Union([Type.String(), Type.Object({})])),
    data: Type.Optional(Type.String({ description: 'Bytes, base64.' })),
    replyTo: Type.Optional(
      Type.Integer({ minimum: 1, description: 'seq of the entry replied to' }),
    ),
    ext: Type.Optional(Type.Object({}, { description: 'Anything the app adds.' })),
  },
  { additionalProperties: true },
)
type MessagePayload = Static<typeof messagePayload>

const payloadCheck = Compile(messagePayload)
const named: ReadonlySet<string> = new Set(Object.keys(messagePayload.properties))
/** Kinds the server gives meaning to; apps cannot use them before it does. */
const reservedKinds: ReadonlySet<string> = new Set(['void'])

export type ParsedPayload =
  | { readonly kind: 'body'; readonly body: MessageBody }
  | { readonly kind: 'invalid'; readonly detail: string }

/** What was said beside a payload, by the names it has in `ext`. */
export type Aside = ReadonlyMap<string, string | readonly string[]>

const nothing: Aside = new Map()

/** Reads a published payload: a JSON object is taken by its fields, other UTF-8 text as `text`,
 * other bytes as `data` in base64. Only a JSON object can be invalid. What was said beside it goes
 * into `ext`, where the names of the object win. */
export function parsePayload(bytes: Buffer, aside: Aside = nothing): ParsedPayload {
  if (!isUtf8(bytes)) return plain('data', bytes.toString('base64'), aside)
  const text = bytes.toString('utf8')
  const object = parseObject(text)
  if (object === undefined) return plain('text', text, aside)
  if (!payloadCheck.Check(object)) {
    const first = payloadCheck.Errors(object)[0]
    const where = first?.instancePath.slice(1)
    return invalid(`${where ? `'${where}' ` : ''}${first?.message ?? 'breaks the schema'}`)
  }
  if (object.id !== undefined && !isMessageId(object.id)) {
    return invalid("'id' must be 1 to 128 bytes without control characters, not beginning with #")
  }
  if (object.kind !== undefined && reservedKinds.has(object.kind)) {
    return invalid(`'kind' ${object.kind} is reserved`)
  }
  try {
    return ok(object.kind ?? impliedKind(object), object.id, contentFields(object, aside))
  } catch (error) {
    // JSON.parse takes any depth, JSON.stringify is recursive.
    if (error instanceof RangeError) return invalid('is nested too deeply')
    throw error
  }
}

/** The value of a JSON object's text; undefined for anything else. */
function parseObject(text: string): Record<string, unknown> | undefined {
  if (!/^[\t\n\r ]*\{/.test(text)) return undefined
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
}

function impliedKind(object: MessagePayload): string {
  if (object.text !== undefined) return 'text'
  if (object.media !== undefined) return 'media'
  if (object.data !== undefined) return 'data'
  return 'custom'
}

function contentFields(object: MessagePayload, aside: Aside): string {
  let fields = ''
  const add = (name: string, value: unknown): void => {
    if (value !== undefined) fields += `${fields && ','}"${name}":${JSON.stringify(value)}`
  }
  add('text', object.text)
  add('media', object.media)
  add('data', object.data)
  add('replyTo', object.replyTo)
  const ext = extension(object, aside)
  return ext === '' ? fields : `${fields}${fields && ','}"ext":{${ext}}`
}

/** A payload that is no JSON object. */
function plain(name: 'data' | 'text', value: string, aside: Aside): ParsedPayload {
  const fields = member(name, value)
  const ext = extension({}, aside)
  return ok(name, undefined, ext === '' ? fields : `${fields},"ext":{${ext}}`)
}

/** Members of `ext` and unknown members of the object, and what was said aside, as JSON. Built as
 * text, so that a member named `__proto__` is only a name. */
function extension(object: MessagePayload & Record<string, unknown>, aside: Aside): string {
  const members: string[] = []
  const given = (object.ext ?? {}) as Record<string, unknown>
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(object, name) || named.has(name)) members.push(member(name, given[name]))
  }
  for (const name of Object.keys(object)) {
    if (!named.has(name)) members.push(member(name, object[name]))
  }
  for (const [name, value] of aside) {
    const isUnknown = named.has(name) || !Object.hasOwn(object, name)
    if (isUnknown && !Object.hasOwn(given, name)) members.push(member(name, value))
  }
  return members.join(',')
}

function member(name: string, value: unknown): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`
}

function ok(kind: string, messageId: string | undefined, fields: string): ParsedPayload {
  return { kind: 'body', body: { kind, messageId, fields } }
}

function invalid(detail: string): ParsedPayload {
  return { kind: 'invalid', detail }
}

/** The JSON text every device gets for an entry: `{"conversation","seq","id","from","to" or
 * "group","at","kind",…}`. The same for every receiver. */
export function encodeEnvelope(conversation: Conversation, entry: Entry): string {
  const { body } = entry
  const address =
    conversation.kind === 'group'
      ? `"group":${quote(conversation.group)}`
      : `"to":${quote(peerOf(conversation.users, entry.from))}`
  const fields = body.fields === '' ? '' : `,${body.fields}`
  return (
    `{"conversation":${quote(entry.conversation)},"seq":${entry.seq},` +
    `"id":${quote(body.messageId ?? serverMessageId(entry.seq))},` +
    `"from":${quote(entry.from)},${address},"at":${entry.at},` +
    `"kind":"${body.kind}"${fields}}`
  )
}

/** An id as a JSON string. Ids hold no control characters and no surrogates by themselves, so there
 * are two characters to escape, and mostly neither. */
function quote(id: string): string {
  return id.includes('"') || id.includes('\\') ? JSON.stringify(id) : `"${id}"`
}

/** The other one of a pair; oneself in notes to oneself. */
export function peerOf(users: readonly [string, string], user: string): string {
  return users[0] === user ? users[1] : users[0]
}
