// What MQTT 5 says beside a chat message, on its way through the log: what comes as properties of a
// PUBLISH travels as members of `ext`, and what `ext` says in text goes out as properties. So apps
// of all levels can talk to each other.

import type { MessageBody } from '../protocol/entry.ts'
import { userPropertiesMax } from '../protocol/limits.ts'
import { publishTopicFault } from '../protocol/topics.ts'
import type { Properties } from './edge/properties.ts'

/** User properties that the server itself sends with a message: an app's own of these names stay
 * in `ext`. */
const serverNames: ReadonlySet<string> = new Set([
  'conversation',
  'seq',
  'from',
  'id',
  'at',
  'kind',
])

type Text = string | readonly string[]
type UserProperty = readonly [name: string, value: string]

/** Members for `ext`: user properties, `userPropertiesMax` at most, with a list for a name that
 * comes more than once, and the content type, response topic and correlation data (base64) of
 * the payload. */
export function membersOf(properties: Properties): ReadonlyMap<string, Text> {
  const members = new Map<string, Text>()
  for (const [name, value] of properties.userProperties ?? []) {
    const before = members.get(name)
    members.set(name, before === undefined ? value : [before, value].flat())
  }
  const { contentType, responseTopic, correlationData } = properties
  if (contentType !== undefined) members.set('contentType', contentType)
  if (responseTopic !== undefined) members.set('responseTopic', responseTopic)
  if (correlationData !== undefined) {
    members.set('correlationData', correlationData.toString('base64'))
  }
  return members
}

/** Bytes of a user property beside its name and value: its identifier, and two lengths. */
const pairBytes = 5

/** Bytes of what `membersOf` takes over, as they came. */
export function weightOf(properties: Properties): number {
  const { userProperties = [], contentType, responseTopic, correlationData } = properties
  let bytes = correlationData?.length ?? 0
  for (const pair of userProperties) bytes += bytesOf(pair)
  return bytes + Buffer.byteLength((contentType ?? '') + (responseTopic ?? ''))
}

function bytesOf([name, value]: UserProperty): number {
  return pairBytes + Buffer.byteLength(name) + Buffer.byteLength(value)
}

/** Properties for who receives the message: its response topic and correlation data, and as user
 * properties the texts, and lists of texts, of `ext`: `userPropertiesMax` at most, and only what
 * takes no more bytes than the message, because a list repeats its name. The content type is not
 * among them: it is that of the app's payload, and what is delivered is the envelope. */
export function propertiesOf({ fields }: MessageBody): Properties {
  // Spares most messages the parser.
  if (!fields.includes('"ext":{')) return {}
  const { ext } = JSON.parse(`{${fields}}`) as { readonly ext?: Readonly<Record<string, unknown>> }
  const { responseTopic, correlationData, ...others } = ext ?? {}
  const userProperties = textsOf(others, Buffer.byteLength(fields))
  const isTopic = isText(responseTopic) && publishTopicFault(responseTopic) === undefined
  return {
    ...(isTopic ? { responseTopic } : {}),
    ...(isData(correlationData) ? { correlationData: Buffer.from(correlationData, 'base64') } : {}),
    ...(userProperties.length > 0 ? { userProperties } : {}),
  }
}

/** The texts of members, in pairs, of so many bytes at most. What does not fit is left out. */
function textsOf(members: Readonly<Record<string, unknown>>, bytesMax: number): UserProperty[] {
  const pairs: UserProperty[] = []
  let bytes = 0
  for (const [name, value] of Object.entries(members)) {
    const values: readonly unknown[] = Array.isArray(value) ? value : [value]
    if (pairs.length + values.length > userPropertiesMax) continue
    if (serverNames.has(name) || !isText(name) || !values.every(isText)) continue
    const added = values.map((each): UserProperty => [name, each])
    const weight = added.reduce((sum, pair) => sum + bytesOf(pair), 0)
    if (bytes + weight > bytesMax) continue
    bytes += weight
    pairs.push(...added)
  }
  return pairs
}

/** Whether a value can be correlation data, which is base64 here. */
function isData(value: unknown): value is string {
  return typeof value === 'string' && Buffer.byteLength(value, 'base64') <= 65_535
}

/** Whether a value can be a string of MQTT. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0') && Buffer.byteLength(value) <= 65_535
}
