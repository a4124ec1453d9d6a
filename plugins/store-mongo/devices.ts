// Durable devices and their subscriptions. Their cursors lie in the memberships of the user (see
// collections.ts), so nothing here can make one in a conversation the user is not in.

import type { ClientSession, Filter, UpdateFilter } from 'mongodb'
import { ObjectId } from 'mongodb'
import type { Clock } from '../../protocol/clock.ts'
import type {
  DeviceName,
  DeviceState,
  DeviceStore,
  Expiry,
  StoredDevice,
} from '../../services/delivery/ports.ts'
import type { Collections, DeviceDocument } from './collections.ts'
import type { MongoConnection } from './connect.ts'
import { readMsMax } from './connect.ts'
import { assertCursors, cursorPath, makeSaveCursors, setCursors } from './cursors.ts'
import { withFailures } from './failures.ts'
import { piecesOf } from './pieces.ts'

type Needed = 'users' | 'devices' | 'memberships' | 'packets'

interface DeviceParts extends Pick<MongoConnection, 'transact'> {
  readonly collections: Pick<Collections, Needed>
  readonly clock: Clock
}

/** How long after it should have been heard of a device is taken for abandoned, ms: connected ones
 * are marked every hour (services/delivery/last-seen.ts), and that may fail once. */
const silenceMsMax = 2 * 3_600_000
/** Most devices that are removed at a time. */
const removedAtOnce = 16

/** Makes the store of devices. */
export function makeDevices({ collections, transact, clock }: DeviceParts): DeviceStore {
  const { devices } = collections

  return {
    find: (user, device) => withFailures(() => find(collections, { user, device })),
    async save(state) {
      const at = clock()
      const { user, device, cursors = [], dropped = [] } = state
      assertCursors(cursors)
      if (cursors.length + dropped.length === 0) {
        const known = await withFailures(() =>
          devices.updateOne({ user, device }, changesOf(state, at)),
        )
        if (known.matchedCount === 1) return true
      }
      return transact((session) => save(collections, { state, at, session }))
    },
    forget: (user, device) =>
      transact(async (session) => {
        await remove(collections, { user, which: { device }, session })
      }),
    saveLastSeen: (names, at) =>
      withFailures(async () => {
        for (const some of piecesOf(names)) {
          const writes = some.map(({ user, device }) => ({
            updateOne: { filter: { user, device }, update: seenAt(at) },
          }))
          await devices.bulkWrite(writes, { ordered: false })
        }
      }),
    endAt: ({ user, device }, at) =>
      withFailures(async () => {
        const change = { $set: { endsAt: at }, $unset: { abandonedAt: true } } as const
        await devices.updateOne({ user, device }, change)
      }),
    expire: (before, limit) =>
      withFailures(async () => {
        const gone = goneBefore(before)
        const found = await devices
          .find(gone, { projection: { user: 1, device: 1 }, limit, maxTimeMS: readMsMax })
          .toArray()
        const removed: DeviceName[] = []
        for (const some of piecesOf(found, removedAtOnce)) {
          const removing = some.map(async (it) => {
            const { _id, user, device } = it
            // It may be back meanwhile.
            const isRemoved = await transact((session) =>
              remove(collections, { user, which: { _id, ...gone }, session }),
            )
            if (isRemoved) removed.push({ user, device })
          })
          await Promise.all(removing)
        }
        return removed
      }),
    saveCursors: makeSaveCursors(collections),
  }
}

async function find(
  { devices, memberships }: Pick<Collections, Needed>,
  { user, device }: DeviceName,
): Promise<StoredDevice | undefined> {
  const found = await devices.findOne({ user, device }, { maxTimeMS: readMsMax })
  if (found === null) return undefined
  const { _id, subscriptions, endsAt, expiryMs } = found
  const path = cursorPath(_id)
  const withCursors = await memberships
    .find(
      { user, [path]: { $exists: true } },
      {
        projection: { _id: 0, conversation: 1, [path]: 1 },
        sort: { user: 1, conversation: 1 },
        maxTimeMS: readMsMax,
      },
    )
    .toArray()
  return {
    ...(endsAt === undefined ? {} : { endsAt }),
    ...(expiryMs === undefined ? {} : { expiryMs }),
    subscriptions,
    cursors: withCursors.flatMap(({ conversation, cursors = {} }) =>
      Object.values(cursors).map(({ acked, sent }) => ({ conversation, acked, sent })),
    ),
  }
}

interface Saving {
  readonly state: DeviceState
  readonly at: number
  readonly session: ClientSession
}

async function save(collections: Pick<Collections, Needed>, saving: Saving): Promise<boolean> {
  const { state, at, session } = saving
  const { user, device, cursors = [], dropped = [] } = state
  const known = await collections.devices.findOneAndUpdate({ user, device }, changesOf(state, at), {
    session,
    projection: { _id: 1 },
  })
  const _id = known?._id ?? (await insert(collections, saving))
  if (_id === undefined) return false
  await setCursors(collections.memberships, { user, _id, cursors, dropped, session })
  return true
}

/** Resolves with the id of the new device; undefined if there is no room for it. */
async function insert(
  { users, devices }: Pick<Collections, Needed>,
  { state, at, session }: Saving,
): Promise<ObjectId | undefined> {
  const { user, device, devicesMax, expiryMs, subscriptions } = state
  // Of two devices that are new at the same time one begins anew, and counts the other.
  const { matchedCount } = await users.updateOne(
    { _id: user },
    { $inc: { changes: 1 } },
    { session },
  )
  if (matchedCount === 0) throw new Error('a device of a user who does not exist')
  if (devicesMax !== undefined) {
    const others = await devices.countDocuments({ user }, { session, maxTimeMS: readMsMax })
    if (others >= devicesMax) return undefined
  }
  const ends = expiryMs === undefined ? {} : { expiryMs, abandonedAt: at + expiryMs + silenceMsMax }
  const _id = new ObjectId()
  const list = [...subscriptions]
  const made = { _id, user, device, subscriptions: list, lastSeen: at, ...ends }
  await devices.insertOne(made, { session })
  return _id
}

function changesOf(state: DeviceState, at: number): UpdateFilter<DeviceDocument> {
  const { expiryMs, subscriptions } = state
  const $max = { lastSeen: at }
  const list = [...subscriptions]
  if (expiryMs === undefined) {
    const $unset = { endsAt: true, expiryMs: true, abandonedAt: true } as const
    return { $set: { subscriptions: list }, $max, $unset }
  }
  const abandonedAt = at + expiryMs + silenceMsMax
  return { $set: { subscriptions: list, expiryMs, abandonedAt }, $max, $unset: { endsAt: true } }
}

/** A device that is here is abandoned that much later. */
function seenAt(at: number) {
  const later = { $add: ['$lastSeen', '$expiryMs', silenceMsMax] }
  const isAway = { $eq: [{ $type: '$abandonedAt' }, 'missing'] }
  return [
    { $set: { lastSeen: { $max: ['$lastSeen', at] } } },
    { $set: { abandonedAt: { $cond: [isAway, '$$REMOVE', later] } } },
  ]
}

function goneBefore({ lastSeen, end }: Expiry): Filter<DeviceDocument> {
  return {
    $or: [{ lastSeen: { $lt: lastSeen } }, { endsAt: { $lt: end } }, { abandonedAt: { $lt: end } }],
  }
}

/** Removes a device with what belongs to it; false if none is found. */
async function remove(
  { devices, memberships, packets }: Pick<Collections, Needed>,
  removing: {
    readonly user: string
    readonly which: Filter<DeviceDocument>
    readonly session: ClientSession
  },
): Promise<boolean> {
  const { user, which, session } = removing
  const projection = { _id: 1, device: 1 }
  const gone = await devices.findOneAndDelete({ user, ...which }, { session, projection })
  if (gone === null) return false
  const path = cursorPath(gone._id)
  const change = { $unset: { [path]: true } } as const
  await memberships.updateMany({ user, [path]: { $exists: true } }, change, { session })
  await packets.deleteMany({ user, device: gone.device }, { session })
  return true
}
