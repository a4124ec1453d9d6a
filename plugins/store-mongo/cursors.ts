// Cursors, in the memberships of their users: a write finds the membership or does nothing, so a
// cursor never outlives it, however many processes write at the same time.

import type { AnyBulkWriteOperation, ClientSession, Collection, ObjectId } from 'mongodb'
import type { Cursor, CursorUpdate, DeviceStore } from '../../services/delivery/ports.ts'
import type { Collections, MembershipDocument } from './collections.ts'
import { readMsMax } from './connect.ts'
import { withFailures } from './failures.ts'
import { piecesOf } from './pieces.ts'

type Write = AnyBulkWriteOperation<MembershipDocument>

/** Where the cursor of a device is in a membership. */
export function cursorPath(device: ObjectId): `cursors.${string}` {
  return `cursors.${device.toHexString()}`
}

/** Throws unless `0 ≤ acked ≤ sent` holds for each. */
export function assertCursors(cursors: readonly Cursor[]): void {
  for (const { conversation, acked, sent } of cursors) {
    if (acked >= 0 && sent >= acked) continue
    throw new Error(`a cursor in ${conversation} breaks the rules: ${acked}, ${sent}`)
  }
}

/** Sets cursors of one device, up or down, and removes those of the `dropped` conversations. */
export async function setCursors(
  memberships: Collection<MembershipDocument>,
  setting: {
    readonly user: string
    readonly _id: ObjectId
    readonly cursors: readonly Cursor[]
    readonly dropped: readonly string[]
    readonly session: ClientSession
  },
): Promise<void> {
  const { user, _id, cursors, dropped, session } = setting
  const path = cursorPath(_id)
  const drops = dropped.map((conversation): Write => {
    return { updateOne: { filter: { user, conversation }, update: { $unset: { [path]: true } } } }
  })
  const sets = cursors.map(({ conversation, acked, sent }): Write => {
    const update = { $set: { [path]: { acked, sent } } }
    return { updateOne: { filter: { user, conversation }, update } }
  })
  await writeAll(memberships, [...drops, ...sets], session)
}

/** Makes `saveCursors`: two commands for many cursors. All of them are looked at before any is
 * written; then each is written by itself, and only ever moves up, so it does no harm to write what
 * failed again. */
export function makeSaveCursors({
  devices,
  memberships,
}: Pick<Collections, 'devices' | 'memberships'>): DeviceStore['saveCursors'] {
  const idsOf = async (updates: readonly CursorUpdate[]) => {
    const users = [...new Set(updates.map(({ user }) => user))]
    const ids = new Map<string, ObjectId>()
    for (const some of piecesOf(users)) {
      const found = await devices
        .find(
          { user: { $in: [...some] } },
          { projection: { user: 1, device: 1 }, maxTimeMS: readMsMax },
        )
        .toArray()
      for (const { _id, user, device } of found) ids.set(nameOf({ user, device }), _id)
    }
    return ids
  }

  return (updates) =>
    withFailures(async () => {
      assertCursors(updates)
      const ids = await idsOf(updates)
      const writes = updates.flatMap((update): readonly Write[] => {
        const id = ids.get(nameOf(update))
        return id === undefined ? [] : [raise(id, update)]
      })
      await writeAll(memberships, writes)
    })
}

/** Of two ordered pairs the maxima are ordered too: acked ≤ sent still holds. */
function raise(id: ObjectId, { user, conversation, acked, sent }: CursorUpdate): Write {
  const path = cursorPath(id)
  const update = { $max: { [`${path}.acked`]: acked, [`${path}.sent`]: sent } }
  return { updateOne: { filter: { user, conversation }, update } }
}

async function writeAll(
  memberships: Collection<MembershipDocument>,
  writes: readonly Write[],
  session?: ClientSession,
): Promise<void> {
  for (const some of piecesOf(writes)) {
    await memberships.bulkWrite(some, { ordered: false, ...(session && { session }) })
  }
}

/** No id has a slash. */
function nameOf({ user, device }: Pick<CursorUpdate, 'user' | 'device'>): string {
  return `${user}/${device}`
}
