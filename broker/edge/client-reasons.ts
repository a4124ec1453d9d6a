// The reason codes that a client of MQTT 5 may give, by kind of packet; any other ends the
// connection [MQTT5-3.4.2-1, MQTT5-3.5.2-1, MQTT5-3.6.2-1, MQTT5-3.7.2-1, MQTT5-3.14.2-1,
// MQTT5-3.15.2-1].

import { reasonCode as code } from '../../protocol/reasons.ts'
import { FatalPacket } from './fatal-packet.ts'

const receipt: ReadonlySet<number> = new Set([
  ...[code.success, code.noMatchingSubscribers, code.unspecifiedError, code.implementationError],
  ...[code.notAuthorized, code.topicNameInvalid, code.packetIdInUse, code.quotaExceeded],
  code.payloadFormatInvalid,
])
const release: ReadonlySet<number> = new Set([code.success, code.packetIdNotFound])
const disconnect: ReadonlySet<number> = new Set([
  ...[code.success, code.disconnectWithWill, code.unspecifiedError, code.malformedPacket],
  ...[code.protocolError, code.implementationError, code.topicNameInvalid],
  ...[code.receiveMaximumExceeded, code.topicAliasInvalid, code.packetTooLarge],
  ...[code.messageRateTooHigh, code.quotaExceeded, code.administrativeAction],
  code.payloadFormatInvalid,
])
const auth: ReadonlySet<number> = new Set([code.continueAuthentication, code.reAuthenticate])

/** By control packet type, for those that carry one. */
const byType: readonly (ReadonlySet<number> | undefined)[] = Object.assign(new Array(16), {
  4: receipt,
  5: receipt,
  6: release,
  7: release,
  14: disconnect,
  15: auth,
})

/** Throws `FatalPacket` where a client may not give this reason in a packet of this type. */
export function checkReason(type: number, reason: number): void {
  if (byType[type]?.has(reason)) return
  throw new FatalPacket(`reason code ${reason} in a packet of type ${type}`, code.protocolError)
}
