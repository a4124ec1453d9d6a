// Who is in a chaos run: users, the groups they are members of, and the peers they write to.

import { type Api, conversationOf } from '../server-program.ts'

export interface Person {
  readonly user: string
  readonly token: string
  /** What this user publishes to. */
  readonly topics: readonly string[]
  /** What this user is a member of. */
  readonly conversations: readonly string[]
  /** A group of his to which he, and nobody else, publishes, at QoS 2; undefined for most. */
  readonly exactTopic: string | undefined
}

export interface PeopleOptions {
  readonly users: number
  readonly groups: number
  /** How many of the users have a group to which they publish at QoS 2. Default 0. */
  readonly exactUsers?: number
  readonly random: () => number
}

const [membersMin, membersMax] = [4, 24]

/** Makes users and groups over the API. Each user has two peers or more. */
export async function makePeople(api: Api, options: PeopleOptions): Promise<readonly Person[]> {
  const { users, groups, exactUsers = 0, random } = options
  const names = countedNames('user', users)
  const pick = () => names[Math.floor(random() * users)] as string
  const topics = makeSets(names)
  const heardOnly = makeSets(names)
  for (const [index, user] of names.entries()) {
    for (const peer of [names[index ^ 1] as string, pick()]) {
      if (peer === user) continue
      topics.get(user)?.add(`u/${peer}/msg`)
      topics.get(peer)?.add(`u/${user}/msg`)
    }
  }
  const addGroup = async (group: string, members: ReadonlySet<string>, of: typeof topics) => {
    await api.addGroup(group, [...members])
    for (const member of members) of.get(member)?.add(`g/${group}/msg`)
  }
  const tokens = new Map<string, string>()
  await inParallel(names, async (user) => void tokens.set(user, await api.token(user)))
  await inParallel(countedNames('group', groups), (group) => {
    const size = membersMin + Math.floor(random() * (membersMax - membersMin))
    return addGroup(group, new Set(Array.from({ length: size }, pick)), topics)
  })
  await inParallel(names.slice(0, exactUsers), (user) =>
    addGroup(`exact-${user}`, new Set([user, pick(), pick()]), heardOnly),
  )
  return names.map((user, index) => {
    const own = [...(topics.get(user) ?? [])]
    const heard = [...own, ...(heardOnly.get(user) ?? [])]
    return {
      user,
      token: tokens.get(user) as string,
      topics: own,
      conversations: heard.map((topic) => conversationOf(user, topic)),
      exactTopic: index < exactUsers ? `g/exact-${user}/msg` : undefined,
    }
  })
}

function countedNames(start: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${start}${index}`)
}

function makeSets(names: readonly string[]): ReadonlyMap<string, Set<string>> {
  return new Map(names.map((name) => [name, new Set()]))
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
