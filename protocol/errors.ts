// The closed catalogue of everything that can be refused: code, meaning, what to answer.
// docs/errors.md is printed from it. Mapping to MQTT or HTTP happens once, at the edge.

import type { ReasonCode } from './reasons.ts'
import { reasonCode } from './reasons.ts'

/** What a broken rule does to an MQTT connection: `explain` acknowledges (below level 5, where the
 * answer can say no more), drops and explains on `u/<me>/error`; `close` ends the connection (at
 * CONNECT: CONNACK 3); `connack4` and `connack5` refuse the CONNECT, and `connack5` explains a
 * publish; `none` cannot happen there. */
type MqttAction = 'explain' | 'close' | 'connack4' | 'connack5' | 'none'

/** `reason` is what a client of MQTT 5 is told, in the answer to its CONNECT or PUBLISH or in a
 * DISCONNECT; only such codes as may stand there [MQTT5 table 2-6]. */
interface ErrorDefinition {
  readonly meaning: string
  readonly retryable: boolean
  readonly http: number
  readonly mqtt: MqttAction
  readonly reason: ReasonCode
}

export const errorCatalogue = {
  'invalid-token': {
    meaning: 'The token is missing, malformed, expired, or not signed for this service.',
    retryable: false,
    http: 401,
    mqtt: 'connack4',
    reason: reasonCode.badCredentials,
  },
  'invalid-credentials': {
    meaning: 'No user has this name and password.',
    retryable: false,
    http: 401,
    mqtt: 'none',
    reason: reasonCode.badCredentials,
  },
  'not-authorized': {
    meaning: 'The token is valid, but does not allow this.',
    retryable: false,
    http: 403,
    mqtt: 'connack5',
    reason: reasonCode.notAuthorized,
  },
  'not-a-member': {
    meaning: 'Only members of the conversation may do this.',
    retryable: false,
    http: 403,
    mqtt: 'explain',
    reason: reasonCode.notAuthorized,
  },
  'unknown-user': {
    meaning: 'There is no such user.',
    retryable: false,
    http: 404,
    mqtt: 'explain',
    reason: reasonCode.topicNameInvalid,
  },
  'unknown-topic': {
    meaning: 'Apps cannot publish to this topic.',
    retryable: false,
    http: 404,
    mqtt: 'explain',
    reason: reasonCode.topicNameInvalid,
  },
  'not-found': {
    meaning: 'There is nothing here, or nothing you may see.',
    retryable: false,
    http: 404,
    mqtt: 'none',
    reason: reasonCode.unspecifiedError,
  },
  'user-exists': {
    meaning: 'A user of this name exists already.',
    retryable: false,
    http: 409,
    mqtt: 'none',
    reason: reasonCode.unspecifiedError,
  },
  'group-exists': {
    meaning: 'A group of this name exists already.',
    retryable: false,
    http: 409,
    mqtt: 'none',
    reason: reasonCode.unspecifiedError,
  },
  'last-owner': {
    meaning: 'A group with members keeps at least one owner.',
    retryable: false,
    http: 409,
    mqtt: 'none',
    reason: reasonCode.unspecifiedError,
  },
  'payload-too-large': {
    meaning: 'The message is larger than the server accepts.',
    retryable: false,
    http: 413,
    mqtt: 'explain',
    reason: reasonCode.quotaExceeded,
  },
  'invalid-payload': {
    meaning: 'The JSON of the message breaks the schema.',
    retryable: false,
    http: 422,
    mqtt: 'explain',
    reason: reasonCode.payloadFormatInvalid,
  },
  'invalid-request': {
    meaning: 'The request breaks the schema.',
    retryable: false,
    http: 400,
    mqtt: 'none',
    reason: reasonCode.unspecifiedError,
  },
  'rate-limited': {
    meaning: 'Too many requests; wait before the next.',
    retryable: true,
    http: 429,
    mqtt: 'explain',
    reason: reasonCode.quotaExceeded,
  },
  'too-many-devices': {
    meaning: 'The user has as many devices with kept sessions as the server allows.',
    retryable: false,
    http: 403,
    mqtt: 'close',
    reason: reasonCode.quotaExceeded,
  },
  'store-unavailable': {
    meaning: 'The message could not be stored now; nothing was acknowledged.',
    retryable: true,
    http: 503,
    mqtt: 'close',
    reason: reasonCode.serverBusy,
  },
  'protocol-error': {
    meaning: 'The packet breaks MQTT, or a limit of the server.',
    retryable: false,
    http: 400,
    mqtt: 'close',
    reason: reasonCode.protocolError,
  },
  internal: {
    meaning: 'The server failed; the failure is in its log.',
    retryable: true,
    http: 500,
    mqtt: 'close',
    reason: reasonCode.unspecifiedError,
  },
} as const satisfies Record<string, ErrorDefinition>

export type ErrorCode = keyof typeof errorCatalogue

/** An expected refusal on its way to the edge, where it becomes an answer. */
export class Refusal extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, detail?: string) {
    super(detail ?? errorCatalogue[code].meaning)
    this.name = 'Refusal'
    this.code = code
  }
}
