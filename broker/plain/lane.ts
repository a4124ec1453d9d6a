// The plain lane: aedes, and the devices that are known to it. A device is introduced only when it
// needs aedes, because a client costs aedes more memory than a chat session costs the engine.

import type { Client } from 'aedes'
import type { Clock } from '../../protocol/clock.ts'
import type { Logger } from '../../protocol/logger.ts'
import { makeLocks } from '../../services/delivery/locks.ts'
import { deliverOnceAtHighestQos, numberBy } from './adaptation.ts'
import { makeAedes } from './aedes.ts'
import type { Introduction, PlainLink } from './client.ts'
import { PlainClient } from './client.ts'
import { makeDelays } from './delays.ts'
import type { PlainBus, PlainPersistence } from './ports.ts'
import { reconcile } from './reconcile.ts'
import type { Remembered } from './remembered.ts'
import { makeRemembered } from './remembered.ts'
import { makeRepair } from './repair.ts'
import { makeWills } from './wills.ts'

interface PlainLaneParts {
  readonly persistence: PlainPersistence
  readonly logger: Logger
  readonly clock: Clock
  /** What a device may leave untaken, bytes. */
  readonly unsentBytesMax: number
  /** Where other brokers are told and heard, if there are any; the persistence is shared then. */
  readonly bus?: PlainBus | undefined
  /** How often a broker says that it lives, ms; see `makeAedes`. */
  readonly heartbeatMs?: number | undefined
}

export interface PlainLane {
  /** Makes the device known to aedes, in place of a connection of the same client id. */
  introduce(introduction: Introduction, link: PlainLink): PlainClient
  /** Whether aedes may hold something of a durable client, as far as this broker knows. */
  remembers(clientId: string): boolean
  /** Whether a client has half-finished the QoS 2 publish of a packet id. */
  isHalfFinished(clientId: string, packetId: number): Promise<boolean>
  /** A device goes on with its session: its last will is not published [MQTT5-3.1.3-9]. Whether
   * aedes may hold something of it: half-finished QoS 2, messages that wait. */
  returned(clientId: string): Promise<boolean>
  /** Makes aedes forget a client that is away or about to leave [MQTT-3.1.2-6]: its session has
   * ended, and a will that waits is published [MQTT5-3.1.2-8]. */
  forget(clientId: string): Promise<void>
  /** The session of a device that stayed away has ended: makes aedes forget it, unless it is back
   * already. */
  expired(clientId: string): void
  /** How many durable clients aedes may hold something of, connected or away. */
  remembered(): number
  /** How many clients aedes has. */
  clients(): number
  /** Closes aedes, when all clients have left. */
  close(): Promise<void>
}

/** How many sessions of the trusted mode may wait for their end; others end at once. */
const delayedEndsMax = 10_000

export async function makePlainLane(parts: PlainLaneParts): Promise<PlainLane> {
  const { persistence, logger, clock, unsentBytesMax } = parts
  const known = new WeakMap<Client, PlainClient>()
  const present = new Map<string, PlainClient>()
  const repair = makeRepair({ persistence, present, logger })
  const aedes = await makeAedes({ ...parts, missed: repair.start }, known)
  const remembered = makeRemembered(persistence, logger)
  const withLock = makeLocks()
  const wills = makeWills(aedes, clock, persistence.shared)
  const endings = makeDelays(delayedEndsMax)

  /** Lasts as long as aedes has the client. */
  const attend = async (plain: PlainClient): Promise<void> => {
    const { clientId, clean, startsClean, isAlone } = plain.introduction
    if (clean || startsClean) await remembered.forget(clientId)
    if (!clean) await recall(plain, persistence, remembered)
    const client = aedes.handle(plain.stream)
    known.set(client, plain)
    numberBy(client, plain.ids)
    deliverOnceAtHighestQos(client, plain, persistence.keepSent)
    plain.connect()
    await plain.gone
    if (!clean) await remembered.departed(clientId, plain.ids.next())
    // Nobody else knows when the session of a client of the trusted mode ends.
    const isEnding = isAlone && Number.isFinite(plain.lastsMs) && present.get(clientId) === plain
    if (isEnding) endings.set(clientId, plain.lastsMs, () => expired(clientId))
  }

  const end = async (clientId: string): Promise<void> => {
    wills.hasten(clientId)
    await withLock(clientId, () => remembered.forget(clientId))
  }

  const expired = (clientId: string): void => {
    if (present.has(clientId)) return
    end(clientId).catch((err: unknown) => {
      logger.error({ err }, 'aedes could not forget a device that stayed away')
    })
  }

  aedes.on('connackSent', (_packet, client) => known.get(client)?.connected())
  aedes.on('clientDisconnect', (client) => known.get(client)?.left())

  return {
    introduce(introduction, link) {
      const { clientId, clean, startsClean } = introduction
      present.get(clientId)?.link.takenOver()
      if (clean || startsClean) wills.hasten(clientId)
      else wills.cancel(clientId)
      endings.cancel(clientId)
      const plain = new PlainClient(introduction, link, {
        now: clock,
        unsentBytesMax,
        isDraining: () => persistence.isDraining(clientId),
        delayWill: (ms) => wills.delay(introduction, ms),
      })
      present.set(clientId, plain)
      // aedes mistakes one client for the other when two of the same id come and go at once.
      withLock(clientId, () => attend(plain))
        .catch((err: unknown) => {
          logger.error({ err }, 'a client could not be introduced to aedes')
          plain.stream.destroy()
        })
        .finally(() => {
          if (present.get(clientId) === plain) present.delete(clientId)
        })
      return plain
    },
    remembers: (clientId) => remembered.has(clientId),
    remembered: remembered.count,
    isHalfFinished: (clientId, packetId) => isHalfFinished(persistence, clientId, packetId),
    returned(clientId) {
      wills.cancel(clientId)
      return remembered.returned(clientId)
    },
    async forget(clientId) {
      wills.hasten(clientId)
      if (await remembered.returned(clientId)) await end(clientId)
    },
    expired,
    clients: () => aedes.connectedClients,
    async close() {
      wills.close()
      endings.close()
      repair.close()
      await new Promise<void>((resolve) => aedes.close(() => resolve()))
      await parts.bus?.close()
      persistence.shared?.close()
    },
  }
}

/** What is kept of a durable client that has come is made that of its introduction. */
async function recall(
  plain: PlainClient,
  persistence: PlainPersistence,
  remembered: Remembered,
): Promise<void> {
  const { clientId, firstId, isAlone } = plain.introduction
  const nextId = await remembered.arrived(clientId)
  plain.isPresent = nextId !== undefined
  plain.ids.goOn(nextId || firstId, persistence.unanswered(clientId))
  if (!isAlone) await reconcile(persistence, plain.introduction)
  persistence.expect(clientId)
}

async function isHalfFinished(
  persistence: PlainPersistence,
  id: string,
  messageId: number,
): Promise<boolean> {
  try {
    await persistence.incomingGetPacket({ id }, { messageId })
    return true
  } catch {
    return false
  }
}
