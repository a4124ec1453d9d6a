// The packet ids that durable devices have taken at QoS 2, from the PUBLISH to the PUBREL. A packet
// is noted before its message is stored, with the token the message will have: one that comes again
// finds the token, and by it the message.

import type { Db, ObjectId } from 'mongodb'
import type { PacketClaim, PositionStore } from '../../services/log/positions/ports.ts'
import { withFailures } from './failures.ts'

/** `packets`: at most 65,535 for a device. Sharded by {user}; unique {user, device, packetId}.
 * Removed by the release, and with the device. */
export interface PacketDocument {
  readonly _id: ObjectId
  readonly user: string
  readonly device: string
  readonly packetId: number
  readonly fingerprint: number
  readonly token: string
}

export const packetsName = 'packets'

const operationMsMax = 5000
const durable = { writeConcern: { w: 'majority', j: true, wtimeoutMS: 5000 } } as const

type Packets = Pick<PositionStore, 'claim' | 'releasePackets' | 'unreleasedPackets'>

export function makePackets(db: Db): Packets {
  const packets = db.collection<PacketDocument>(packetsName, {
    readConcern: { level: 'majority' },
    readPreference: 'primary',
  })
  const devices = db.collection<{ readonly user: string; readonly device: string }>('devices')

  const isStored = async ({ user, device }: PacketClaim) =>
    (await devices.findOne({ user, device }, { projection: { _id: 1 } })) !== null

  /** Takes the id, unless it stands for the same message already. */
  const take = async ({ user, device, packetId, isRepeat, fingerprint, token }: PacketClaim) => {
    const name = { user, device, packetId }
    const isTaken = { $ne: [{ $type: '$token' }, 'missing'] }
    const isIts = isRepeat ? isTaken : { $eq: ['$fingerprint', fingerprint] }
    const keep = (field: string, value: unknown) => ({ $cond: [isIts, `$${field}`, value] })
    const noted = await packets.findOneAndUpdate(
      name,
      [{ $set: { token: keep('token', token), fingerprint: keep('fingerprint', fingerprint) } }],
      { upsert: true, returnDocument: 'after', maxTimeMS: operationMsMax, ...durable },
    )
    return noted?.token
  }

  const claimOne = async (claim: PacketClaim) => ((await isStored(claim)) ? take(claim) : undefined)

  return {
    claim: (claims) =>
      withFailures(async () => {
        const tokens = new Map<PacketClaim, string | undefined>()
        await Promise.all(
          byDevice(claims).map(async (line) => {
            for (const claim of line) tokens.set(claim, await claimOne(claim))
          }),
        )
        return claims.map((claim) => tokens.get(claim))
      }),
    releasePackets: (released) =>
      withFailures(async () => {
        if (released.length === 0) return
        const operations = released.map(({ user, device, packetId }) => ({
          deleteOne: { filter: { user, device, packetId } },
        }))
        await packets.bulkWrite(operations, { ordered: false, ...durable })
      }),
    unreleasedPackets: (user, device) =>
      withFailures(async () => {
        const found = await packets
          .find({ user, device }, { projection: { packetId: 1 }, maxTimeMS: operationMsMax })
          .sort({ packetId: 1 })
          .toArray()
        return found.map(({ packetId }) => packetId)
      }),
  }
}

/** The claims of each device, in their order. */
function byDevice(claims: readonly PacketClaim[]): readonly (readonly PacketClaim[])[] {
  const lines = new Map<string, PacketClaim[]>()
  for (const claim of claims) {
    const key = `${claim.user}/${claim.device}`
    const line = lines.get(key)
    if (line === undefined) lines.set(key, [claim])
    else line.push(claim)
  }
  return [...lines.values()]
}
