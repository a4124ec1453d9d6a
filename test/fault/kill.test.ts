// Nothing acknowledged is lost: the server is killed again and again while 20 publishers write at
// full speed, and after each restart every member has every acknowledged message once, in order.
//
// PARLEY_KILL_ROUNDS=50 makes it longer, PARLEY_KILL_SEED=n repeats the choices of a run.

import { randomInt } from 'node:crypto'
import t, { type Test } from 'tap'
import { temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'
import { checkRun, type SeenEntry } from './checker.ts'
import { type Device, makeDevice } from './device.ts'
import { makePublisher, type Publisher } from './publisher.ts'
import { makeRandom } from './random.ts'
import { conversationOf, readHistory, type ServerProgram, startServer } from './server-program.ts'

const rounds = Number(process.env.PARLEY_KILL_ROUNDS ?? 5)
const seed = Number(process.env.PARLEY_KILL_SEED ?? randomInt(2 ** 31))

const publishersCount = 20
const writers = Array.from({ length: publishersCount }, (_, index) => `writer${index + 1}`)
const readers = ['reader1', 'reader2', 'reader3', 'reader4']
const groups: Readonly<Record<string, readonly string[]>> = {
  all: [...writers, ...readers],
  odd: [...writers.filter((_, index) => index % 2 === 0), 'reader1', 'reader2'],
  even: [...writers.filter((_, index) => index % 2 === 1), 'reader3', 'reader4'],
}

/** What a writer publishes to: its peer, the group of all, and a group of half of them. */
function topicsOf(index: number): readonly string[] {
  const half = index % 2 === 0 ? 'odd' : 'even'
  return [`u/${writers[index ^ 1]}/msg`, 'g/all/msg', `g/${half}/msg`]
}

function conversationsOf(user: string): readonly string[] {
  const mine = Object.keys(groups).filter((group) => groups[group]?.includes(user))
  const topics = mine.map((group) => `g/${group}/msg`)
  const index = writers.indexOf(user)
  if (index >= 0) topics.push(`u/${writers[index ^ 1]}/msg`)
  return topics.map((topic) => conversationOf(user, topic))
}

interface World {
  readonly publishers: readonly Publisher[]
  /** Connected whenever the server runs. */
  readonly present: readonly Device[]
  /** Come at the end of each round, and leave. */
  readonly visiting: readonly Device[]
  /** Come once, at the very end. */
  readonly absent: readonly Device[]
  readonly tokens: ReadonlyMap<string, string>
}

type Owner = Test

/** Makes users, groups and durable devices, all subscribed. */
async function makeWorld(t: Owner, server: ServerProgram, random: () => number): Promise<World> {
  const tokens = new Map<string, string>()
  for (const user of [...writers, ...readers]) tokens.set(user, await server.token(user))
  for (const [group, members] of Object.entries(groups)) await server.addGroup(group, members)
  const ledger = new Map<string, SeenEntry>()
  const device = async (user: string, name: string, keepEvery: number): Promise<Device> => {
    const token = tokens.get(user) as string
    const conversations = conversationsOf(user)
    const made = makeDevice(t, { user, name, token, conversations, ledger, keepEvery })
    const client = await made.connect(server.mqttPort)
    await client.subscribe([`u/${user}/msg`, `u/${user}/error`, 'g/+/msg'])
    await client.disconnect()
    return made
  }
  // Every third one acknowledges late, and loses with its connection what it had not kept.
  const devices = (users: readonly string[], name: string) =>
    Promise.all(users.map((user, index) => device(user, name, index % 3 === 2 ? 100 : 1)))
  return {
    tokens,
    present: await devices([...writers.slice(0, 8), 'reader1'], 'phone'),
    visiting: await devices([...writers.slice(8), 'reader2', 'reader3'], 'tablet'),
    absent: await devices([...writers.slice(0, 4), 'reader4'], 'laptop'),
    publishers: writers.map((user, index) => {
      const inFlightMax = 1 + Math.floor(random() * 24)
      const token = tokens.get(user) as string
      return makePublisher(t, { user, token, topics: topicsOf(index), inFlightMax })
    }),
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

const acknowledgedBy = ({ publishers }: World) =>
  sum(publishers.map((publisher) => publisher.acknowledged()))

const unacknowledgedBy = ({ publishers }: World) =>
  sum(publishers.map((publisher) => publisher.inFlight()))

async function connectAll(world: World, server: ServerProgram): Promise<void> {
  const clients = [...world.present, ...world.publishers]
  await Promise.all(clients.map((client) => client.connect(server.mqttPort)))
}

/** Writes at full speed until so many more are acknowledged, and kills the server in the midst of
 * it. Resolves with how many messages were in flight. */
async function killWhileWriting(world: World, server: ServerProgram, more: number) {
  const goal = acknowledgedBy(world) + more
  for (const publisher of world.publishers) publisher.write(true)
  await connectAll(world, server)
  await until(`${more} more are acknowledged`, () => acknowledgedBy(world) >= goal, 30_000)
  await server.end('SIGKILL')
  const clients = [...world.present, ...world.publishers]
  await until('every connection is gone', () => clients.every((it) => !it.client()?.isOpen()))
  return unacknowledgedBy(world)
}

/** How many messages each conversation must hold, once all of them are acknowledged. */
function expectedHeads({ publishers }: World): ReadonlyMap<string, number> {
  const heads = new Map<string, number>()
  for (const { conversation } of publishers.flatMap((it) => it.publications.messages)) {
    heads.set(conversation, (heads.get(conversation) ?? 0) + 1)
  }
  return heads
}

/** Waits until the devices have everything; `ping` proves that nothing more is under way. */
async function catchUp(devices: readonly Device[], heads: ReadonlyMap<string, number>) {
  const hasAll = ({ stream, head, keep }: Device) => {
    keep()
    return stream.conversations.every((id) => head(id) >= (heads.get(id) ?? 0))
  }
  await until('every device has everything', () => devices.every(hasAll), 20_000)
  await Promise.all(devices.map((device) => device.client()?.ping()))
}

async function historiesOf({ tokens }: World, server: ServerProgram) {
  const readerOf = new Map<string, string>()
  for (const user of tokens.keys()) for (const id of conversationsOf(user)) readerOf.set(id, user)
  return Promise.all(
    [...readerOf].map(async ([conversation, user]) => {
      const token = tokens.get(user) as string
      return { conversation, entries: await readHistory(server, token, conversation) }
    }),
  )
}

/** Everybody stops writing, what is unacknowledged is sent again, all devices (of the absent ones
 * none, before the last round) catch up; then the checker judges. */
async function settleAndCheck(t: Owner, world: World, server: ServerProgram, isLast: boolean) {
  for (const publisher of world.publishers) publisher.write(false)
  await connectAll(world, server)
  const guests = isLast ? [...world.visiting, ...world.absent] : world.visiting
  await Promise.all(guests.map((device) => device.connect(server.mqttPort)))
  await until('all is acknowledged', () => unacknowledgedBy(world) === 0)
  const devices = [...world.present, ...guests]
  // The checker says better than a deadline what is missing.
  await catchUp(devices, expectedHeads(world)).catch((error: Error) => t.fail(error.message))
  const problems = checkRun({
    publications: world.publishers.map((publisher) => publisher.publications),
    devices: devices.map((device) => device.stream),
    histories: await historiesOf(world, server),
  })
  t.same(problems, [], 'every acknowledged message is with every member once, in order')
  t.same(
    world.publishers.flatMap((publisher) => publisher.problems),
    [],
    'PUBACKs in order',
  )
  t.same(
    devices.flatMap((device) => device.notices),
    [],
    'nothing was refused',
  )
  await Promise.all(world.visiting.map((device) => device.client()?.disconnect()))
}

function countDeliveries({ present, visiting, absent }: World): string {
  const connections = [...present, ...visiting, ...absent].flatMap((it) => it.stream.connections)
  const deliveries = sum(connections.map((connection) => connection.length))
  const distinct = [...present, ...visiting, ...absent].map((it) =>
    sum(it.stream.conversations.map((conversation) => it.head(conversation))),
  )
  return `${deliveries} deliveries, of them ${deliveries - sum(distinct)} repeated after a crash`
}

const title = `nothing acknowledged is lost when the server is killed, ${rounds} times in a row`
t.setTimeout(30_000 + rounds * 15_000)

t.test(title, async (t) => {
  t.comment(`PARLEY_KILL_SEED=${seed}`)
  const random = makeRandom(seed)
  const data = temporaryFolder(t)
  const start = () => startServer(t, data, ['--log-level', 'warn'])
  let server = await start()
  const world = await makeWorld(t, server, random)
  let inFlightAtKill = 0
  for (let round = 1; round <= rounds; round++) {
    // The second kill of a round comes while what the first one cut off is sent again.
    const kills = random() < 0.5 ? [1000] : [1000, 150]
    for (const acknowledgedMax of kills) {
      const more = 20 + Math.floor(random() * acknowledgedMax)
      inFlightAtKill += await killWhileWriting(world, server, more)
      t.same(server.errors, [], 'the server had nothing to warn of')
      server = await start()
    }
    await settleAndCheck(t, world, server, round === rounds)
    t.comment(`round ${round}: killed ${kills.length}×, ${acknowledgedBy(world)} acknowledged`)
  }
  t.ok(inFlightAtKill > rounds, `${inFlightAtKill} messages were in flight when it was killed`)
  t.comment(countDeliveries(world))
})
