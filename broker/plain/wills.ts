// Wills that are published some time after their client has gone [MQTT5-3.1.3-9]. aedes publishes a
// will at once or not at all.

import type { Aedes } from 'aedes'
import type { Clock } from '../../protocol/clock.ts'
import { prepare } from './aedes.ts'
import type { Introduction } from './client.ts'
import { makeDelays } from './delays.ts'
import { noteWill } from './note.ts'
import type { PlainWill, SharedPersistence } from './ports.ts'

/** How many may wait; when there are more, they are published at once. */
const delayedWillsMax = 10_000

export interface Wills {
  /** Publishes the will of a client after `ms`. */
  delay(introduction: Introduction, ms: number): void
  /** The client is back: its will is not published. */
  cancel(clientId: string): void
  /** The client's session has ended: its will is published now, if it waits. */
  hasten(clientId: string): void
  /** Drops what waits. */
  close(): void
}

/** In `shared` they are kept as well, for the case that this broker dies. */
export function makeWills(aedes: Aedes, clock: Clock, shared?: SharedPersistence): Wills {
  const { set, cancel, hasten, close } = makeDelays(delayedWillsMax)
  const publish = ({ clientId }: Introduction, packet: PlainWill): void => {
    prepare(packet, clientId, clock())
    aedes.publish(packet, () => {})
    shared?.dropDelayed(clientId).catch(ignore)
  }
  return {
    delay(introduction, ms) {
      const { clientId, will, mayPublish } = introduction
      if (will === undefined || !mayPublish(will.topic)) return
      const packet = { cmd: 'publish' as const, dup: false, ...noteWill(will) }
      shared?.keepDelayed(clientId, packet, clock() + ms).catch(ignore)
      set(clientId, ms, () => publish(introduction, packet))
    },
    cancel,
    hasten,
    close,
  }
}

/** It is published here all the same. */
function ignore(): void {}
