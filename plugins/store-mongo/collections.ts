// The collections: what a document of each holds, by what it is found, on which shard it lies, and
// who removes it. Whoever adds a query looks here for the index that serves it.

import type { Collection, CreateIndexesOptions, Db, IndexSpecification, ObjectId } from 'mongodb'
import type { Role } from '../../services/conversations/ports.ts'
import type { Subscription } from '../../services/delivery/ports.ts'
import type { MessageDocument } from './messages.ts'
import { messagesName } from './messages.ts'
import type { PacketDocument } from './packets.ts'
import { packetsName } from './packets.ts'

/** `users`: who exists. `passwordHash` null: the user has no password. `hidesReads`: others do not
 * see what the user has read. `changes` counts the devices and memberships that were made: whoever
 * makes one, or copies `hidesReads`, adds to it in the same transaction, so that of two who looked
 * at the same user one begins anew. Never removed. */
interface UserDocument {
  readonly _id: string
  readonly passwordHash: string | null
  readonly createdAt: number
  readonly hidesReads: boolean
  readonly changes: number
}

/** `conversations`: `group` and `title` (JSON, because BSON has no lone surrogates) of a group,
 * `users`, the sorted pair, of a direct one. `members` counts the documents of `members`, and
 * changes with them in one transaction: two who change the members of one conversation conflict
 * here, and one of them looks again. Never removed. */
export interface ConversationDocument {
  readonly _id: string
  readonly kind: 'direct' | 'group'
  readonly group?: string
  readonly title?: string
  readonly users?: readonly [string, string]
  readonly members: number
  readonly createdAt: number
}

/** `members`: who is in a conversation. `delivered` and `read` are watermarks, which only move up;
 * `receiptAt` is when one of them last did so that others may see it, 0 before. `hidesReads` is a
 * copy of that of the user, because what others may see is asked of the whole conversation.
 * Removed when the member leaves. */
export interface MemberDocument {
  /** The same as that of the copy in `memberships`. */
  readonly _id: ObjectId
  readonly conversation: string
  readonly user: string
  readonly role: Role
  readonly joinedSeq: number
  readonly delivered: number
  readonly read: number
  readonly receiptAt: number
  readonly mutedUntil: number
  readonly hidesReads: boolean
}

/** `memberships`: which conversations a user is in, beside the user's other data, and in each of
 * them how far the user's devices are. Made and removed with the document of `members`, in one
 * transaction; the cursors go with it, so a cursor always belongs to a member, without a
 * transaction whenever one moves. `cursors` is by the `_id` of the device, in hex: cursors of a
 * device that was forgotten are nobody's, whatever name comes back. */
export interface MembershipDocument {
  readonly _id: ObjectId
  readonly user: string
  readonly conversation: string
  readonly cursors?: Readonly<Record<string, StoredCursor>>
}

interface StoredCursor {
  readonly acked: number
  readonly sent: number
}

/** `devices`: durable devices. `expiryMs` is how long a session lasts without its device, if that
 * has said so; `endsAt` is set while such a device is away. `abandonedAt`, of one that is here, is
 * when it ends if nothing more is heard of it: its process was killed. Removed when the session
 * ends, with its cursors and packets. */
export interface DeviceDocument {
  readonly _id: ObjectId
  readonly user: string
  readonly device: string
  readonly subscriptions: readonly Subscription[]
  readonly lastSeen: number
  readonly expiryMs?: number
  readonly endsAt?: number
  readonly abandonedAt?: number
}

/** `keys`: what the processes of a cluster have in common: the signing keys and the administrator's
 * token, as text, by name. Written by the first that starts; never changed or removed. Secret. */
export interface SecretDocument {
  readonly _id: string
  readonly text: string
}

/** `probe`: one document, written by whoever wants to know whether the store can commit. */
interface ProbeDocument {
  readonly _id: string
  readonly probes: number
}

export interface Collections {
  readonly users: Collection<UserDocument>
  readonly conversations: Collection<ConversationDocument>
  readonly members: Collection<MemberDocument>
  readonly memberships: Collection<MembershipDocument>
  readonly devices: Collection<DeviceDocument>
  readonly messages: Collection<MessageDocument>
  readonly packets: Collection<PacketDocument>
  readonly keys: Collection<SecretDocument>
  readonly probe: Collection<ProbeDocument>
}

export function collectionsOf(db: Db): Collections {
  return {
    users: db.collection<UserDocument>('users'),
    conversations: db.collection<ConversationDocument>('conversations'),
    members: db.collection<MemberDocument>('members'),
    memberships: db.collection<MembershipDocument>('memberships'),
    devices: db.collection<DeviceDocument>('devices'),
    messages: db.collection<MessageDocument>(messagesName),
    packets: db.collection<PacketDocument>(packetsName),
    keys: db.collection<SecretDocument>('keys'),
    probe: db.collection<ProbeDocument>('probe'),
  }
}

/** How a collection is kept. */
export interface Plan {
  readonly name: string
  /** Undefined: small, and kept on one shard. */
  readonly shardKey: Readonly<Record<string, 1 | 'hashed'>> | undefined
  readonly indexes: readonly {
    readonly key: IndexSpecification
    readonly options?: CreateIndexesOptions
  }[]
}

/** All collections. A unique index of a sharded collection must begin with the shard key as it is,
 * not with its hash: so those keys are ranged. They need no hash: the ids of direct conversations
 * are hashes, and chunks split where names are dense. */
export const plans: readonly Plan[] = [
  { name: 'users', shardKey: { _id: 'hashed' }, indexes: [{ key: { _id: 'hashed' } }] },
  { name: 'conversations', shardKey: { _id: 'hashed' }, indexes: [{ key: { _id: 'hashed' } }] },
  {
    name: 'members',
    shardKey: { conversation: 1 },
    indexes: [
      { key: { conversation: 1, user: 1 }, options: { unique: true } },
      // What changed lately in a conversation.
      { key: { conversation: 1, receiptAt: 1 } },
    ],
  },
  {
    name: 'memberships',
    shardKey: { user: 1 },
    indexes: [{ key: { user: 1, conversation: 1 }, options: { unique: true } }],
  },
  {
    name: messagesName,
    shardKey: { conversation: 1 },
    indexes: [
      { key: { conversation: 1, seq: 1 }, options: { unique: true } },
      {
        key: { conversation: 1, from: 1, clientId: 1 },
        options: { unique: true, partialFilterExpression: { clientId: { $exists: true } } },
      },
    ],
  },
  {
    name: 'devices',
    shardKey: { user: 1 },
    indexes: [
      { key: { user: 1, device: 1 }, options: { unique: true } },
      // For the one that looks for devices that stayed away; on all shards, now and then.
      { key: { lastSeen: 1 } },
      { key: { endsAt: 1 }, options: { sparse: true } },
      { key: { abandonedAt: 1 }, options: { sparse: true } },
    ],
  },
  {
    name: packetsName,
    shardKey: { user: 1 },
    indexes: [{ key: { user: 1, device: 1, packetId: 1 }, options: { unique: true } }],
  },
  { name: 'keys', shardKey: undefined, indexes: [] },
  { name: 'probe', shardKey: undefined, indexes: [] },
]

/** Makes the collections and indexes that are missing. Idempotent; several processes may do it at
 * once. */
export async function makeIndexes(db: Db): Promise<void> {
  for (const { name, indexes } of plans) {
    // A transaction cannot make a collection on several shards.
    await db.createCollection(name).catch(passOverExisting)
    for (const { key, options } of indexes) await db.collection(name).createIndex(key, options)
  }
}

const namespaceExists = 48

function passOverExisting(error: { readonly code?: unknown }): void {
  if (error.code !== namespaceExists) throw error
}
