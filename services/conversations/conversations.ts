// Conversations: who may make a group, join others to it or remove them, and what a user is a
// member of. The rules only: the store keeps the members, and live sessions hear of each change.

import type { Conversation } from '../../protocol/entry.ts'
import { Refusal } from '../../protocol/errors.ts'
import { groupConversation, isId } from '../../protocol/ids.ts'
import { groupMembersAtOnceMax, titleLengthMax } from '../../protocol/limits.ts'
import type { ConversationStore, Membership } from './ports.ts'

/** A change of who is a member, already committed. Hearing of it twice must be harmless. */
export interface MembershipChange {
  readonly kind: 'joined' | 'left'
  /** The conversation's id, `g:…`. */
  readonly conversation: string
  readonly user: string
}

/** Who acts: a user, or the administrator (undefined), who may do everything. */
type Actor = string | undefined

interface GroupRequest {
  readonly by: Actor
  /** The group's id; a random one of 16 characters when absent. */
  readonly group?: string | undefined
  readonly title?: string | undefined
  /** Users to join, each counted once. The first one owns a group made by the administrator. */
  readonly members: readonly string[]
}

interface MemberRequest {
  readonly by: Actor
  readonly group: string
  readonly user: string
}

type GroupConversation = Extract<Conversation, { kind: 'group' }>

export interface Conversations {
  /** Makes a group with its members, all or nothing; its maker owns it. Throws a Refusal:
   * `invalid-request`, `group-exists`, `unknown-user`. */
  createGroup(request: GroupRequest): Promise<GroupConversation>
  /** Adds a member; owners and admins may. Adding a member again changes nothing. Throws a Refusal:
   * `not-found` to who is not a member, `not-authorized`, `unknown-user`, `invalid-request`. */
  addMember(request: MemberRequest): Promise<void>
  /** Removes a member; owners and admins may, and everyone themself. An admin cannot remove an
   * owner. Throws a Refusal: `not-found`, `not-authorized`, `last-owner`, `invalid-request`. */
  removeMember(request: MemberRequest): Promise<void>
  /** Gives a group another title; owners and admins may. Throws a Refusal: `not-found`,
   * `not-authorized`, `invalid-request`. */
  renameGroup(request: {
    readonly by: Actor
    readonly group: string
    readonly title: string
  }): Promise<GroupConversation>
  /** The direct conversation of two users, made when it is not there; tells nobody. Throws
   * `Refusal('unknown-user')`. */
  direct(a: string, b: string): Promise<Conversation>
  /** The user's part in a conversation; undefined when not a member. */
  membership(conversation: string, user: string): Promise<Membership | undefined>
}

export interface ConversationsParts {
  readonly store: ConversationStore
  /** Called after each committed change, in the order of the changes of one call. */
  readonly announce: (change: MembershipChange) => void
  /** Called after a group got another title. */
  readonly renamed: (conversation: Conversation) => void
  /** Returns so many random bytes, as `crypto.randomBytes` does. */
  readonly random: (bytes: number) => Buffer
}

export function makeConversations(parts: ConversationsParts): Conversations {
  const { store, announce, renamed, random } = parts

  async function createGroup(request: GroupRequest): Promise<GroupConversation> {
    const group = request.group ?? random(12).toString('base64url')
    const title = request.title ?? ''
    checkGroup(group, title, request.members)
    const [owner, ...members] = new Set(
      request.by === undefined ? request.members : [request.by, ...request.members],
    )
    if (owner === undefined) throw invalid('A group needs a member to own it.')
    const made = await store.createGroup({ group, title, owner, members })
    if (made.kind === 'exists') throw new Refusal('group-exists')
    if (made.kind === 'unknown-user') {
      throw new Refusal('unknown-user', `There is no user '${made.user}'.`)
    }
    const id = groupConversation(group)
    for (const user of [owner, ...members]) announce({ kind: 'joined', conversation: id, user })
    return { kind: 'group', id, group, title }
  }

  async function addMember({ by, group, user }: MemberRequest): Promise<void> {
    checkIds(group, user)
    await checkMayManage(store, group, by)
    const outcome = await store.addMember(group, user)
    if (outcome === 'unknown-group') throw new Refusal('not-found')
    if (outcome === 'unknown-user') throw new Refusal('unknown-user')
    if (outcome === 'added') {
      announce({ kind: 'joined', conversation: groupConversation(group), user })
    }
  }

  async function removeMember({ by, group, user }: MemberRequest): Promise<void> {
    checkIds(group, user)
    const id = groupConversation(group)
    if (by !== user) {
      const actor = await checkMayManage(store, group, by)
      const target = actor === 'admin' ? await store.membership(id, user) : undefined
      if (target?.role === 'owner') {
        throw new Refusal('not-authorized', 'An admin cannot remove an owner.')
      }
    }
    const outcome = await store.removeMember(group, user)
    if (outcome === 'last-owner') throw new Refusal('last-owner')
    if (outcome === 'not-a-member') throw new Refusal('not-found')
    announce({ kind: 'left', conversation: id, user })
  }

  const renameGroup: Conversations['renameGroup'] = async ({ by, group, title }) => {
    if (!isId(group)) throw invalid('The group id is not valid.')
    checkTitle(title)
    await checkMayManage(store, group, by)
    if (!(await store.renameGroup(group, title))) throw new Refusal('not-found')
    const conversation = { kind: 'group', id: groupConversation(group), group, title } as const
    renamed(conversation)
    return conversation
  }

  return {
    createGroup,
    renameGroup,
    addMember,
    removeMember,
    membership: (conversation, user) => store.membership(conversation, user),
    async direct(a, b) {
      const conversation = isId(a) && isId(b) ? await store.ensureDirect(a, b) : undefined
      if (conversation === undefined) throw new Refusal('unknown-user')
      return conversation
    },
  }
}

/** Lets owners, admins and the administrator pass. A group one is not in does not exist to one. */
async function checkMayManage(
  store: ConversationStore,
  group: string,
  by: Actor,
): Promise<'owner' | 'admin' | 'administrator'> {
  if (by === undefined) return 'administrator'
  const membership = await store.membership(groupConversation(group), by)
  if (membership === undefined) throw new Refusal('not-found')
  if (membership.role === 'member') {
    throw new Refusal('not-authorized', 'Only owners and admins of the group may do this.')
  }
  return membership.role
}

function checkGroup(group: string, title: string, members: readonly string[]): void {
  if (!isId(group)) throw invalid('The group id is not valid.')
  checkTitle(title)
  if (members.length > groupMembersAtOnceMax) {
    throw invalid(`At most ${groupMembersAtOnceMax} members can be named at once.`)
  }
  if (!members.every(isId)) throw invalid('A member is not a valid user id.')
}

function checkTitle(title: string): void {
  if (title.length > titleLengthMax) {
    throw invalid(`A title has at most ${titleLengthMax} characters.`)
  }
}

function checkIds(group: string, user: string): void {
  if (!isId(group)) throw invalid('The group id is not valid.')
  if (!isId(user)) throw invalid('The user id is not valid.')
}

function invalid(detail: string): Refusal {
  return new Refusal('invalid-request', detail)
}
