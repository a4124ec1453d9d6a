// What is unread against a brute-force count: random histories of publishes, reads, joins, leaves,
// mutes and connections, with a store that answers late. `SEED=n` replays one history.

import t from 'tap'
import type { Entry } from '../../../protocol/entry.ts'
import type { ReceiptStore } from '../../../services/receipts/ports.ts'
import { makeRandom } from '../../fault/random.ts'
import { until } from '../../support/until.ts'
import { settle } from '../delivery/support/devices.ts'
import type { FakeLink } from '../delivery/support/fake-link.ts'
import { makeWorld, told, type World } from './support/world.ts'

/** An integer from 0 to below a bound. */
type Random = (bound: number) => number

const users = ['alice', 'bob', 'carol']
const groups = ['a', 'b', 'c']
const kinds = ['text', 'text', 'text', 'edit', 'reaction', 'void', 'poll']
const steps = 80
const histories = 60

/** Answers after a few turns of the event loop, now and then with what it knew at first. */
function late(random: Random): (store: ReceiptStore) => ReceiptStore {
  const wait = async () => {
    for (let n = random(4); n > 0; n--) await new Promise((resolve) => setImmediate(resolve))
  }
  return (store) => ({
    ...store,
    async count(range) {
      await wait()
      const count = await store.count(range)
      await wait()
      return count
    },
    async raise(marks) {
      await wait()
      await store.raise(marks)
      await wait()
    },
  })
}

function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[random(items.length)] as Item
}

class History {
  readonly world: World
  readonly random: Random
  readonly links = new Map<string, FakeLink>()
  readonly working = new Set<Promise<unknown>>()
  /** Entries that are stored, and announced later. */
  readonly unannounced: Entry[] = []
  lastMute = 0

  constructor(world: World, random: Random) {
    this.world = world
    this.random = random
  }

  /** Does work without waiting for it. */
  begin(work: Promise<unknown>): void {
    const done = work.finally(() => this.working.delete(done))
    this.working.add(done)
  }

  async step(): Promise<void> {
    const { world, random, links } = this
    const user = pick(random, users)
    const group = pick(random, groups)
    const id = `g:${group}`
    const link = links.get(user)
    const member = world.engine.user(user)?.memberships.get(id)
    if (random(4) === 0) this.announce(this.unannounced.splice(0, 1 + random(8)))
    const choice = random(50)
    if (choice < 18) return this.publish(id, user)
    if (choice < 27 && member) {
      this.begin(world.receipts.read(member, 1 + random(member.room.head + 2)))
    } else if (choice < 30) {
      const isMember = (await world.store.membership(id, user)) !== undefined
      await world.change(isMember ? 'left' : 'joined', group, user)
    } else if (choice < 34) await this.mute(id, user)
    else if (choice < 35 && link) {
      links.delete(user)
      await world.disconnect(link)
    } else if (choice < 37 && link === undefined) {
      links.set(user, await world.connect(`${user}/phone`))
    } else await settle(random(300))
  }

  async publish(conversation: string, from: string): Promise<void> {
    const { world, random } = this
    if ((await world.store.membership(conversation, from)) === undefined) return
    const entries = []
    for (let n = 1 + random(5); n > 0; n--) {
      entries.push(await world.append(conversation, from, pick(random, kinds)))
    }
    // Announcements may be repeated, or come out of order.
    if (random(6) === 0) entries.reverse()
    if (random(6) === 0 && entries[0]) this.unannounced.push(entries[0])
    if (random(3) === 0) this.unannounced.push(...entries)
    else this.announce(entries)
  }

  announce(entries: readonly Entry[]): void {
    for (const entry of entries) this.world.engine.announce(entry)
  }

  async mute(conversation: string, user: string): Promise<void> {
    const { world, random } = this
    const until = pick(random, [null, Date.now() + 1 + random(20), Number.MAX_SAFE_INTEGER])
    if ((await world.store.membership(conversation, user)) === undefined) return
    await world.receipts.mute({ user, conversation, until })
    if (until !== null && until < Number.MAX_SAFE_INTEGER)
      this.lastMute = Math.max(until, this.lastMute)
  }

  /** Everything that was begun has ended, and no mute is about to. */
  async quiet(): Promise<void> {
    this.announce(this.unannounced)
    await Promise.all(this.working)
    await until('mutes have ended', () => Date.now() > this.lastMute)
  }

  /** What is wrong in what the user was told; undefined when nothing is. */
  async fault(user: string, link: FakeLink): Promise<string | undefined> {
    const { unread, badge } = await this.world.truth(user)
    const events = told(link, 'event').filter(({ type }) => type === 'unread')
    const last = events.at(-1)
    if (last !== undefined && last.badge !== badge) return `badge ${last.badge}, not ${badge}`
    for (const event of events) {
      const { conversation } = event
      const newest = events.findLast((it) => it.conversation === conversation)
      const expected = unread.get(conversation as string) ?? 0
      if (newest?.unread !== expected) return `${conversation}: ${newest?.unread}, not ${expected}`
    }
    return undefined
  }
}

async function play(t: Parameters<typeof makeWorld>[0], seed: number): Promise<History> {
  const chance = makeRandom(seed)
  const random = (bound: number) => Math.floor(chance() * bound)
  const world = makeWorld(t, { wrap: late(random), countAtOnceMax: 1 + random(4) })
  for (const user of users) await world.store.createUser(user, undefined)
  for (const group of groups) {
    await world.store.createGroup({ group, title: '', owner: 'alice', members: ['bob'] })
  }
  const history = new History(world, random)
  for (const user of users) history.links.set(user, await world.connect(`${user}/phone`))
  for (let n = 0; n < steps; n++) await history.step()
  await history.quiet()
  return history
}

const given = process.env.SEED
const first = given === undefined ? 1 : Number(given)
const last = given === undefined ? histories : first
let eventsSeen = 0

for (let seed = first; seed <= last; seed++) {
  t.test(`history ${seed}: devices and HTTP tell what a brute-force count tells`, async (t) => {
    const history = await play(t, seed)
    for (const [user, link] of history.links) {
      let fault: string | undefined
      const check = async () => {
        fault = await history.fault(user, link)
        return fault === undefined
      }
      await until('the numbers', check, 2000).catch(() => {})
      // A number that was right must stay.
      await settle()
      await check()
      t.equal(fault, undefined, `${user} in history ${seed}`)
      eventsSeen += told(link, 'event').filter(({ type }) => type === 'unread').length
    }
    for (const user of users) {
      const { unread, badge } = await history.world.truth(user)
      const list = await history.world.receipts.list(user)
      t.equal(list.badge, badge)
      const found = list.conversations.map(({ conversation, unread }) => [conversation.id, unread])
      t.strictSame(found, [...unread])
    }
  })
}

t.test('the histories made devices hear of changes', async (t) => {
  t.ok(given !== undefined || eventsSeen > histories * 3, `${eventsSeen} events`)
})
