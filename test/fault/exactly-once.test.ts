// QoS 2 keeps its word: publishers without ids write at full speed while the server is killed again
// and again, and each message is in every member's stream exactly once.
//
// PARLEY_KILL_ROUNDS=50 makes it longer, PARLEY_KILL_SEED=n repeats the choices of a run.

import { randomInt } from 'node:crypto'
import t, { type Test } from 'tap'
import { temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'
import type { SeenEntry } from './checker.ts'
import { type Device, makeDevice } from './device.ts'
import { type ExactPublisher, makeExactPublisher } from './exact-publisher.ts'
import { makeRandom } from './random.ts'
import { readHistory, type ServerProgram, startServer } from './server-program.ts'

const rounds = Number(process.env.PARLEY_KILL_ROUNDS ?? 4)
const seed = Number(process.env.PARLEY_KILL_SEED ?? randomInt(2 ** 31))

const conversation = 'g:all'
const readers = ['reader1', 'reader2']

/** Texts that tell the messages apart; and the same text always, so that nothing but the packet id
 * can. Without DUP, on the other hand, only the text can. */
const kinds = [
  { name: 'marked', setsDup: true, textOf: (user: string) => (n: number) => `${n} of ${user}` },
  { name: 'alike', setsDup: true, textOf: () => () => 'always the same' },
  { name: 'plain', setsDup: false, textOf: (user: string) => (n: number) => `${n} of ${user}` },
] as const
const writers = kinds.flatMap((kind) =>
  [1, 2, 3].map((number) => ({ kind, user: `${kind.name}${number}` })),
)

interface World {
  readonly publishers: readonly ExactPublisher[]
  readonly devices: readonly Device[]
  readonly token: string
}

async function makeWorld(t: Test, server: ServerProgram, random: () => number): Promise<World> {
  const tokens = new Map<string, string>()
  const users = [...writers.map(({ user }) => user), ...readers]
  for (const user of users) tokens.set(user, await server.token(user))
  await server.addGroup('all', users)
  const tokenOf = (user: string) => tokens.get(user) as string
  const ledger = new Map<string, SeenEntry>()
  const devices = readers.map((user) =>
    makeDevice(t, {
      user,
      name: 'phone',
      token: tokenOf(user),
      conversations: [conversation],
      ledger,
    }),
  )
  for (const device of devices) {
    const client = await device.connect(server.mqttPort)
    await client.subscribe(['g/+/msg'])
    await client.disconnect()
  }
  const publishers = writers.map(({ kind, user }) => {
    const inFlightMax = 1 + Math.floor(random() * 24)
    const { setsDup } = kind
    const textOf = kind.textOf(user)
    const token = tokenOf(user)
    return makeExactPublisher(t, {
      user,
      token,
      topic: 'g/all/msg',
      inFlightMax,
      textOf,
      setsDup,
    })
  })
  return { publishers, devices, token: tokenOf('reader1') }
}

const total = ({ publishers }: World, count: (publisher: ExactPublisher) => number) =>
  publishers.reduce((sum, publisher) => sum + count(publisher), 0)

async function connectAll({ publishers, devices }: World, server: ServerProgram): Promise<void> {
  await Promise.all([...publishers, ...devices].map((it) => it.connect(server.mqttPort)))
}

/** Writes until so many more are complete, and kills the server in the midst of it. */
async function killWhileWriting(
  world: World,
  server: ServerProgram,
  more: number,
): Promise<number> {
  const completed = () => total(world, (publisher) => publisher.completed())
  const goal = completed() + more
  for (const publisher of world.publishers) publisher.write(true)
  await connectAll(world, server)
  await until(`${more} more are complete`, () => completed() >= goal, 30_000)
  await server.end('SIGKILL')
  const clients = [...world.publishers, ...world.devices]
  await until('every connection is gone', () => clients.every((it) => !it.client()?.isOpen()))
  return total(world, (publisher) => publisher.inFlight())
}

/** By sender, the texts in the order of the log. */
function bySender(entries: readonly SeenEntry[]): Readonly<Record<string, string[]>> {
  const texts: Record<string, string[]> = {}
  for (const { from, text } of entries) {
    texts[from] ??= []
    texts[from].push(text)
  }
  return texts
}

/** A device's stream by position; what a crash repeated is one position. */
function streamOf({ stream }: Device): readonly SeenEntry[] {
  const bySeq = new Map(stream.connections.flat().map((entry) => [entry.seq, entry]))
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq)
}

async function settleAndCheck(t: Test, world: World, server: ServerProgram): Promise<void> {
  for (const publisher of world.publishers) publisher.write(false)
  await connectAll(world, server)
  const left = () => total(world, (publisher) => publisher.inFlight())
  await until('all is complete', () => left() === 0)
  const sent = total(world, (publisher) => publisher.texts.length)
  const history = await readHistory(server, world.token, conversation)
  const expected = Object.fromEntries(world.publishers.map(({ user, texts }) => [user, texts]))
  t.strictSame(bySender(history), expected, 'each message is in the log once, in order')
  const hasAll = (device: Device) => device.head(conversation) >= sent
  await until('the devices have all', () => world.devices.every(hasAll)).catch(() => {})
  for (const device of world.devices) {
    t.strictSame(bySender(streamOf(device)), expected, `and once with ${device.stream.device}`)
  }
  t.same(
    world.publishers.flatMap(({ problems }) => problems),
    [],
    'each answer answers something',
  )
  for (const { client } of [...world.publishers, ...world.devices]) await client()?.disconnect()
}

t.setTimeout(30_000 + rounds * 15_000)

t.test(`QoS 2 is exactly once when the server is killed, ${rounds} times in a row`, async (t) => {
  t.comment(`PARLEY_KILL_SEED=${seed}`)
  const random = makeRandom(seed)
  const data = temporaryFolder(t)
  const start = () => startServer(t, data, ['--log-level', 'warn'])
  let server = await start()
  const world = await makeWorld(t, server, random)
  let inFlightAtKill = 0
  for (let round = 1; round <= rounds; round++) {
    // The later kills of a round come while what the first one cut off is sent again.
    const kills = random() < 0.5 ? [500] : [500, 60, 20]
    for (const completedMax of kills) {
      const more = 1 + Math.floor(random() * completedMax)
      inFlightAtKill += await killWhileWriting(world, server, more)
      t.same(server.errors, [], 'the server had nothing to warn of')
      server = await start()
    }
    await settleAndCheck(t, world, server)
    t.comment(`round ${round}: ${total(world, (it) => it.completed())} complete`)
  }
  t.ok(inFlightAtKill > rounds, `${inFlightAtKill} messages were in flight when it was killed`)
})
