// What MQTT 5 says beside a chat message, on its way through the log: what comes as properties of a
// PUBLISH travels as members of `ext`, and what `ext` says in text goes out as properties. So apps
// of all levels can talk to each other.

import type { MessageBody } from '../protocol/entry.ts'
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

/** Members for `ext`: user properties, with a list for a name that comes more than once, and the
 * content type, response topic and correlation data (base64) of the payload. */
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

/** Bytes of what `membersOf` takes over. */
export function weightOf(properties: Properties): number {
  const { userProperties = [], contentType, responseTopic, correlationData } = properties
  let bytes = correlationData?.length ?? 0
  for (const [name, value] of userProperties) bytes += Buffer.byteLength(name + value)
  return bytes + Buffer.byteLength((contentType ?? '') + (responseTopic ?? ''))
}

/** Properties for who receives the message: its response topic and correlation data, and as user
 * properties every text, or list of texts, of `ext`. The content type is not among them: it is
 * that of the app's payload, and what is delivered is the envelope. */
export function propertiesOf({ fields }: MessageBody): Properties {
  // Spares most messages the parser.
  if (!fields.includes('"ext":{')) return {}
  const { ext } = JSON.parse(`{${fields}}`) as { readonly ext?: Readonly<Record<string, unknown>> }
  const { responseTopic, correlationData, ...others } = ext ?? {}
  const userProperties: UserProperty[] = []
  for (const [name, value] of Object.entries(others)) {
    const values: readonly unknown[] = Array.isArray(value) ? value : [value]
    if (serverNames.has(name) || !isText(name) || !values.every(isText)) continue
    for (const each of values) userProperties.push([name, each as string])
  }
  const isTopic = isText(responseTopic) && publishTopicFault(responseTopic) === undefined
  return {
    ...(isTopic ? { responseTopic } : {}),
    ...(isText(correlationData) ? { correlationData: Buffer.from(correlationData, 'base64') } : {}),
    ...(userProperties.length > 0 ? { userProperties } : {}),
  }
}

/** Whether a value can be a string of MQTT. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0') && Buffer.byteLength(value) <= 65_535
}
