// A packet that ends its connection.

import type { ReasonCode } from '../../protocol/reasons.ts'
import { reasonCode } from '../../protocol/reasons.ts'

/** The packet breaks MQTT, or a bound: the connection is closed [MQTT-4.8.0-1, MQTT5-4.13.1-1]. The
 * message says why, for the log; the reason code is for a client of level 5, others cannot be
 * told. */
export class FatalPacket extends Error {
  readonly reason: ReasonCode

  constructor(message: string, reason: ReasonCode = reasonCode.malformedPacket) {
    super(message)
    this.name = 'FatalPacket'
    this.reason = reason
  }
}
