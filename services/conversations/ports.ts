// What conversations and their members need of a store.

import type { Conversation } from '../../protocol/entry.ts'

export type Role = 'owner' | 'admin' | 'member'

/** A user's part in a conversation. */
export interface Membership {
  readonly conversation: Conversation
  readonly role: Role
  /** The conversation's head when the user joined; what came later is theirs to see. */
  readonly joinedSeq: number
  /** The position of the newest entry; 0 when there is none. */
  readonly head: number
  /** How many members the conversation has. */
  readonly members: number
  /** Watermarks: the entries of others up to `delivered` have reached a device of the user, those
   * up to `read` were read. 0 when none was; `read ≤ delivered`, unless what is
   * read is or was hidden. */
  readonly delivered: number
  readonly read: number
  /** Until when the user has muted the conversation, ms since the epoch; 0 when never. */
  readonly mutedUntil: number
  /** Whether others may not see what the user has read. */
  readonly hidesReads: boolean
}

export interface NewGroup {
  readonly group: string
  readonly title: string
  readonly owner: string
  /** Further members, without the owner; each one once. */
  readonly members: readonly string[]
}

export interface ConversationStore {
  /** Makes a group with its members, all or nothing. `unknown-user` names the first user that does
   * not exist. */
  createGroup(
    group: NewGroup,
  ): Promise<
    { readonly kind: 'created' | 'exists' } | { readonly kind: 'unknown-user'; user: string }
  >
  /** Adds a member at the head of the log; a member stays what they are. */
  addMember(
    group: string,
    user: string,
  ): Promise<'added' | 'already' | 'unknown-group' | 'unknown-user'>
  /** Removes a member, and the cursors of that member's devices in the conversation. `last-owner`
   * when others would be left without an owner. */
  removeMember(group: string, user: string): Promise<'removed' | 'not-a-member' | 'last-owner'>
  /** Gives a group another title; false when there is no such group. */
  renameGroup(group: string, title: string): Promise<boolean>
  /** Mutes a conversation for a member until a time, ms since the epoch, or ends it with 0; false
   * when the user is no member. */
  mute(conversation: string, user: string, until: number): Promise<boolean>
  /** The direct conversation of two users, made with both as members if it does not exist;
   * undefined when one of the users does not exist. Idempotent. */
  ensureDirect(a: string, b: string): Promise<Conversation | undefined>
  /** One user's membership; undefined when not a member. */
  membership(conversation: string, user: string): Promise<Membership | undefined>
  /** All memberships of a user, ordered by the conversation's id. */
  membershipsOf(user: string): Promise<readonly Membership[]>
  /** Members of a conversation, ordered by user id, at most `limit`, those after `after` if
   * given. */
  membersOf(
    conversation: string,
    page: { readonly limit: number; readonly after?: string },
  ): Promise<readonly { readonly user: string; readonly role: Role }[]>
}
