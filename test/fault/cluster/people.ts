// Who is in a chaos run: users, the groups they are members of, and the peers they write to.

import { type Api, conversationOf } from '../server-program.ts'

export interface Person {
  readonly user: string
  readonly token: string
  /** What this user publishes to. */
  readonly topics: readonly string[]
  /** What this user is a member of. */
  readonly conversations: readonly string[]
}

export interface PeopleOptions {
  readonly users: number
  readonly groups: number
  readonly random: () => number
}

const [membersMin, membersMax] = [4, 24]

/** Makes users and groups over the API. Each user has two peers or more. */
export async function makePeople(api: Api, options: PeopleOptions): Promise<readonly Person[]> {
  const { users, groups, random } = options
  const names = Array.from({ length: users }, (_, index) => `user${index}`)
  const pick = () => names[Math.floor(random() * users)] as string
  const topics = new Map<string, Set<string>>(names.map((name) => [name, new Set()]))
  const add = (user: string, topic: string) => topics.get(user)?.add(topic)
  for (const [index, user] of names.entries()) {
    for (const peer of [names[index ^ 1] as string, pick()]) {
      if (peer === user) continue
      add(user, `u/${peer}/msg`)
      add(peer, `u/${user}/msg`)
    }
  }
  const tokens = new Map<string, string>()
  await inParallel(names, async (user) => void tokens.set(user, await api.token(user)))
  const groupNames = Array.from({ length: groups }, (_, index) => `group${index}`)
  await inParallel(groupNames, async (group) => {
    const size = membersMin + Math.floor(random() * (membersMax - membersMin))
    const members = [...new Set(Array.from({ length: size }, pick))]
    await api.addGroup(group, members)
    for (const member of members) add(member, `g/${group}/msg`)
  })
  return names.map((user) => {
    const own = [...(topics.get(user) ?? [])]
    const conversations = own.map((topic) => conversationOf(user, topic))
    return { user, token: tokens.get(user) as string, topics: own, conversations }
  })
}

/** Does the work for each, ten at a time. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = []
  const waiting = items.entries()
  const one = async () => {
    for (const [index, item] of waiting) results[index] = await work(item)
  }
  await Promise.all(Array.from({ length: 10 }, one))
  return results
}
