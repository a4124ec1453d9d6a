// What the contract tests of the store ports ask of an engine, and small helpers they share.

import type { Test } from 'tap'
import type { NewEntry } from '../../protocol/entry.ts'
import { groupConversation } from '../../protocol/ids.ts'
import type { UserStore } from '../../services/auth/ports.ts'
import type { ConversationStore } from '../../services/conversations/ports.ts'
import type { DeviceStore } from '../../services/delivery/ports.ts'
import type { LogStore } from '../../services/log/ports.ts'
import type { ReceiptStore } from '../../services/receipts/ports.ts'

/** All store ports over the same data. */
export interface Engine {
  readonly log: LogStore
  readonly conversations: ConversationStore
  readonly devices: DeviceStore
  readonly users: UserStore
  readonly receipts: ReceiptStore
  /** The log promises for each entry, and not for a batch, whose positions may have voids between
   * them; it does not look whether conversations and senders exist. As in a cluster; false if
   * absent. */
  readonly isPerEntry?: boolean
}

/** Makes an empty engine, which is closed and removed when the test ends. */
export type MakeEngine = (t: Test) => Promise<Engine>

/** The conversation of the group that `withGroup` makes. */
export const town = groupConversation('town')

/** Makes the users and, of them, the group `town`, owned by the first. */
export async function withGroup<Made extends Engine>(
  engine: Made,
  ...users: [string, ...string[]]
): Promise<Made> {
  for (const user of users) await engine.users.createUser(user, undefined)
  const [owner, ...members] = users
  await engine.conversations.createGroup({ group: 'town', title: 'Town', owner, members })
  return engine
}

/** A text message to `town`, or to the conversation named. */
export function text(from: string, messageId?: string, more: Partial<NewEntry> = {}): NewEntry {
  const fields = `"text":${JSON.stringify(`of ${from}: ${messageId ?? 'without id'}`)}`
  return { conversation: town, from, body: { kind: 'text', messageId, fields }, ...more }
}

/** Appends that many entries of alice to `town`, fields of exactly `bytes` bytes each. */
export async function fill(engine: Engine, count: number, bytes = 20): Promise<void> {
  const fields = `"text":"${'x'.repeat(bytes - 9)}"`
  const body = { kind: 'text', messageId: undefined, fields }
  const batch = Array.from({ length: count }, () => text('alice', undefined, { body }))
  await engine.log.append(batch, 1)
}
