// Users: made once, never removed.

import type { ClientSession } from 'mongodb'
import type { Clock } from '../../protocol/clock.ts'
import type { UserStore } from '../../services/auth/ports.ts'
import type { Collections } from './collections.ts'
import type { MongoConnection } from './connect.ts'
import { readMsMax } from './connect.ts'
import { withFailures } from './failures.ts'
import { piecesOf } from './pieces.ts'

interface UserParts extends Pick<MongoConnection, 'transact'> {
  readonly collections: Pick<Collections, 'users' | 'members' | 'memberships'>
  readonly clock: Clock
}

/** Makes the store of users. */
export function makeUsers({ collections, transact, clock }: UserParts): UserStore {
  const { users } = collections
  const find = (user: string) => withFailures(() => users.findOne({ _id: user }, once))

  return {
    createUser: (user, passwordHash) =>
      withFailures(async () => {
        const made = {
          passwordHash: passwordHash ?? null,
          createdAt: clock(),
          hidesReads: false,
          changes: 0,
        }
        const { upsertedCount } = await users.updateOne(
          { _id: user },
          { $setOnInsert: made },
          { upsert: true },
        )
        return upsertedCount === 1 ? 'created' : 'exists'
      }),
    passwordHash: async (user) => (await find(user))?.passwordHash,
    userExists: async (user) => (await find(user)) !== null,
    async settings(user) {
      const found = await find(user)
      return found === null ? undefined : { readReceipts: found.hidesReads ? 'nobody' : 'everyone' }
    },
    saveSettings: (user, { readReceipts }) =>
      transact((session) =>
        saveHides(collections, { user, hides: readReceipts === 'nobody' }, session),
      ),
  }
}

const once = { maxTimeMS: readMsMax } as const

interface Choice {
  readonly user: string
  readonly hides: boolean
}

/** With the copies in the user's conversations. A membership that is made at the same time makes
 * one of the two transactions begin anew: both change the user. */
async function saveHides(
  { users, members, memberships }: UserParts['collections'],
  { user, hides }: Choice,
  session: ClientSession,
): Promise<void> {
  const { modifiedCount } = await users.updateOne(
    { _id: user, hidesReads: !hides },
    { $set: { hidesReads: hides }, $inc: { changes: 1 } },
    { session },
  )
  if (modifiedCount === 0) return
  const found = await memberships
    .find({ user }, { session, projection: { _id: 0, conversation: 1 }, maxTimeMS: readMsMax })
    .toArray()
  const ids = found.map(({ conversation }) => conversation)
  for (const some of piecesOf(ids)) {
    await members.updateMany(
      { conversation: { $in: [...some] }, user },
      { $set: { hidesReads: hides } },
      { session },
    )
  }
}
