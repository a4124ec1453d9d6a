// Users who join a conversation: the documents that say so, written in the transaction of the
// caller.

import type { ClientSession } from 'mongodb'
import { ObjectId } from 'mongodb'
import type { Role } from '../../services/conversations/ports.ts'
import type { Collections, MemberDocument } from './collections.ts'
import { readMsMax } from './connect.ts'
import { piecesOf } from './pieces.ts'

export interface Joining {
  readonly conversation: string
  readonly users: readonly string[]
  readonly roleOf: (user: string) => Role
  readonly joinedSeq: number
  readonly session: ClientSession
}

/** Makes the users members, which none of them may be yet. Resolves with the first that does not
 * exist: then the transaction must be given up. */
export async function join(
  { users, members, memberships }: Pick<Collections, 'users' | 'members' | 'memberships'>,
  { conversation, users: names, roleOf, joinedSeq, session }: Joining,
): Promise<string | undefined> {
  const hides = new Map<string, boolean>()
  for (const some of piecesOf(names)) {
    const filter = { _id: { $in: [...some] } }
    // Whoever changes what is copied from the user meanwhile, or this, begins anew.
    await users.updateMany(filter, { $inc: { changes: 1 } }, { session })
    const found = await users
      .find(filter, { session, projection: { hidesReads: 1 }, maxTimeMS: readMsMax })
      .toArray()
    for (const { _id, hidesReads } of found) hides.set(_id, hidesReads)
  }
  const stranger = names.find((user) => !hides.has(user))
  if (stranger !== undefined) return stranger
  for (const some of piecesOf(names)) {
    const joining = some.map((user): MemberDocument => {
      const who = { _id: new ObjectId(), conversation, user, role: roleOf(user), joinedSeq }
      const hidesReads = hides.get(user) === true
      return { ...who, delivered: 0, read: 0, receiptAt: 0, mutedUntil: 0, hidesReads }
    })
    await members.insertMany(joining, { session })
    const copies = joining.map(({ _id, user }) => ({ _id, user, conversation }))
    await memberships.insertMany(copies, { session })
  }
  return undefined
}
