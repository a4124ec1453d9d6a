// What both sides keep count of while a connection of level 5 lasts: messages under way, and topic
// aliases.

import { Quota } from '../services/delivery/quota.ts'
import { InboundAliases, OutboundAliases } from './edge/topic-aliases.ts'
import type { Terms } from './terms.ts'

export interface Flow {
  /** What the client takes unacknowledged at a time, of both lanes [MQTT5-3.3.4-9]. */
  readonly quota: Quota
  readonly inbound: InboundAliases
  readonly outbound: OutboundAliases
}

/** For a client of these terms; `topicAliasMax` bounds the aliases of each direction. */
export function makeFlow(terms: Terms, topicAliasMax: number): Flow {
  return {
    quota: new Quota(terms.receiveMaximum),
    inbound: new InboundAliases(topicAliasMax),
    outbound: new OutboundAliases(Math.min(terms.topicAliasMaximum, topicAliasMax)),
  }
}
