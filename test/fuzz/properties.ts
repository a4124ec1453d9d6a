// The properties of MQTT 5 that each packet of a client may carry, as mqtt-packet names them; each
// is there or not.

import fc from 'fast-check'
import { anyBytes, anyString } from './values.ts'

const seconds = fc.constantFrom(0, 1, 30, 86_400, 0xffff_ffff)
const twoBytes = fc.constantFrom(1, 2, 16, 65_535)
const userProperties = fc.dictionary(
  anyString.filter((name) => name !== '__proto__'),
  fc.oneof(anyString, fc.array(anyString, { minLength: 2, maxLength: 3 })),
  { maxKeys: 3, noNullPrototype: true },
)

/** Any of the fields, mostly few. */
function some<Fields extends Record<string, fc.Arbitrary<unknown>>>(fields: Fields) {
  return fc.record(fields, { requiredKeys: [] })
}

const aboutMessage = {
  payloadFormatIndicator: fc.boolean(),
  messageExpiryInterval: seconds,
  contentType: anyString,
  responseTopic: fc.constantFrom('t/answers', 't/ä/answers'),
  correlationData: anyBytes,
  userProperties,
}

export const ofConnect = some({
  sessionExpiryInterval: seconds,
  receiveMaximum: twoBytes,
  maximumPacketSize: fc.constantFrom(64, 1000, 0xffff_ffff),
  topicAliasMaximum: fc.constantFrom(0, 1, 65_535),
  requestResponseInformation: fc.boolean(),
  requestProblemInformation: fc.boolean(),
  userProperties,
})

export const ofWill = some({ willDelayInterval: fc.constantFrom(0, 1, 2), ...aboutMessage })

export const ofPublish = some({ topicAlias: fc.constantFrom(1, 2, 10, 65_535), ...aboutMessage })

export const ofAnswer = some({ reasonString: anyString, userProperties })

export const ofSubscribe = some({
  subscriptionIdentifier: fc.constantFrom(1, 127, 128, 268_435_455),
  userProperties,
})

export const ofUnsubscribe = some({ userProperties })

export const ofDisconnect = some({
  sessionExpiryInterval: seconds,
  reasonString: anyString,
  userProperties,
})
