// One random history of the delivery engine, from a seed: entries that are announced late, twice,
// out of order or never; devices that come, go, take over, acknowledge late; a store that answers
// in any order; members who leave and join; crashes. The checker watches. The same seed gives the
// same history.

import type { Entry } from '../../../../protocol/entry.ts'
import type { Engine } from '../../../../services/delivery/engine.ts'
import { makeEngine } from '../../../../services/delivery/engine.ts'
import { type Checker, makeChecker, type Watched } from './checker.ts'
import { makeQuietLogger, never } from './devices.ts'
import { type FakeLink, makeLink } from './fake-link.ts'
import { type Memory, makeMemory, portsOf } from './memory-ports.ts'

export interface SimulationOptions {
  readonly seed: number
  /** Spoils something, to prove that the checker sees it. */
  readonly plant?: (memory: Memory, random: Random) => void
  /** Whether announcements are lost. */
  readonly isLossy?: boolean
  /** Whether the process crashes and cursors cannot be written at times. */
  readonly isHarsh?: boolean
  /** Whether the repair may help at the end; without it every wake-up must be right. */
  readonly hasRepair?: boolean
  /** The last entry of each conversation is never announced: a fault. */
  readonly isLastUnheard?: boolean
}

/** Numbers from a seed. */
interface Random {
  /** From 0 to `below` - 1. */
  below(below: number): number
  chance(percent: number): boolean
  pick<Item>(items: readonly Item[]): Item | undefined
}

/** mulberry32, by Tommy Ettinger (public domain). */
function makeRandom(seed: number): Random {
  let state = seed | 0
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), 1 | state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    below,
    chance: (percent) => below(100) < percent,
    pick: (items) => items[below(items.length)],
  }
}

interface Device {
  readonly name: string
  readonly user: string
  readonly device: string
  connection: { readonly watched: Watched; readonly link: FakeLink } | undefined
  isBusy: boolean
}

interface World {
  readonly memory: Memory
  readonly random: Random
  readonly checker: Checker
  readonly options: SimulationOptions
  readonly conversations: readonly string[]
  readonly devices: readonly Device[]
  /** The conversation that members leave and join. */
  readonly club: string
  engine: Engine
  isDead: { value: boolean }
  /** Announcements on their way. */
  readonly bus: Entry[]
  /** Calls of the store that wait. */
  readonly calls: (() => void)[]
  isChaotic: boolean
  isMoving: boolean
}

const turn = () => new Promise((resolve) => setImmediate(resolve))
const filters = ['g/+/msg', 'u/bob/#', 'u/eve/#']

/** Runs one history and returns what was violated. */
export async function simulate(options: SimulationOptions): Promise<readonly string[]> {
  const world = await build(options)
  const steps = 40 + world.random.below(80)
  for (let i = 0; i < steps; i++) {
    step(world)
    await pause(world.random)
  }
  await finish(world)
  return world.checker.violations
}

/** A turn of the loop, less, or nothing: things also happen in one turn. */
async function pause(random: Random): Promise<void> {
  const kind = random.below(10)
  if (kind < 6) return void (await turn())
  if (kind < 8) for (let ticks = random.below(6); ticks >= 0; ticks--) await Promise.resolve()
}

async function build(options: SimulationOptions): Promise<World> {
  const memory = makeMemory()
  const random = makeRandom(options.seed)
  const club = memory.group('club', 'bob', 'eve')
  const devices = ['bob/phone', 'bob/laptop', 'eve/phone'].map((name) => {
    const [user = '', device = ''] = name.split('/')
    return { name, user, device, connection: undefined, isBusy: false }
  })
  const isDead = { value: false }
  const world: World = {
    memory,
    random,
    checker: makeChecker(),
    options,
    conversations: [club, memory.group('town', 'bob', 'eve'), memory.direct('bob', 'eve')],
    devices,
    club,
    engine: newEngine(memory, random, isDead),
    isDead,
    bus: [],
    calls: [],
    isChaotic: false,
    isMoving: false,
  }
  for (const device of devices) {
    for (const id of world.conversations) world.checker.mayHear(device.name, id, 0)
    await connect(world, device, true)
  }
  options.plant?.(memory, random)
  const wait = () => {
    if (!world.isChaotic || random.chance(30)) return Promise.resolve()
    return new Promise<void>((resolve) => world.calls.push(resolve))
  }
  memory.pace = wait
  memory.delay = (port) => (port === 'membershipsOf' ? Promise.resolve() : wait())
  world.isChaotic = true
  return world
}

function newEngine(memory: Memory, random: Random, isDead: { readonly value: boolean }): Engine {
  return makeEngine(
    { ...portsOf(memory, () => isDead.value), logger: makeQuietLogger(), clock: () => 0 },
    {
      windowEntriesMax: random.pick([1, 2, 4, 16]) ?? 1,
      windowBytesMax: random.pick([150, 350, 10_000]) ?? 150,
      cursorFlushMs: never,
      sessionExpirySeconds: never,
    },
  )
}

async function connect(world: World, device: Device, isFirst = false): Promise<void> {
  const { checker, engine, isDead } = world
  device.isBusy = true
  const before = device.connection
  const link = makeLink()
  const watched = checker.connected(device.name)
  link.onDeliver = (delivered) => checker.delivered(watched, delivered)
  const arrival = { user: device.user, device: device.device, durable: true, link }
  if (before) before.link.takenOver = () => checker.closed(before.watched)
  const attached = await engine.attach(arrival).catch(() => undefined)
  if (isDead.value) return
  device.isBusy = false
  if (before) checker.closed(before.watched)
  device.connection = undefined
  if (attached === undefined) return
  link.session = attached.session
  device.connection = { watched, link }
  const requests = filters.map((filter) => ({ filter, qos: 1 as const }))
  if (isFirst) await engine.subscribe(attached.session, requests)
  attached.session.start()
}

async function disconnect(world: World, device: Device): Promise<void> {
  const { connection } = device
  if (connection?.link.session === undefined) return
  const { isDead } = world
  device.isBusy = true
  world.checker.closed(connection.watched)
  device.connection = undefined
  await world.engine.detach(connection.link.session)
  if (!isDead.value) device.isBusy = false
}

function step(world: World): void {
  const { random } = world
  const kind = random.below(100)
  if (kind < 30) return append(world)
  if (kind < 50) return announce(world)
  if (kind < 65) return void world.calls.splice(random.below(world.calls.length), 1)[0]?.()
  if (kind < 82) return acknowledge(world)
  if (kind < 88) return changeSocket(world)
  if (kind < 94) return comeOrGo(world)
  if (kind < 97) return changeMembers(world)
  if (kind < 98) return random.pick(world.devices)?.connection?.link.session?.repair()
  if (world.options.isHarsh) return harm(world)
}

function append({ memory, random, conversations, bus }: World): void {
  const conversation = random.pick(conversations)
  for (let count = 1 + random.below(3); conversation && count > 0; count--) {
    bus.push(memory.append(conversation))
  }
}

function announce({ random, bus, engine, options }: World): void {
  for (let count = 1 + random.below(4); count > 0; count--) {
    const index = random.chance(80) ? 0 : random.below(bus.length)
    const entry = bus[index]
    if (entry === undefined) return
    if (!random.chance(10)) bus.splice(index, 1)
    if (!(options.isLossy && random.chance(20))) engine.announce(entry)
  }
}

function acknowledge({ random, devices, checker }: World): void {
  const connection = random.pick(devices)?.connection
  if (connection === undefined) return
  const { watched, link } = connection
  const ids = [...watched.byPacketId.keys()]
  const unacknowledged = ids.slice(ids.length - watched.pending.length)
  const order = random.chance(80) ? unacknowledged : unacknowledged.toReversed()
  for (const id of order.slice(0, 1 + random.below(order.length))) {
    // First the checker: the engine may deliver, and more, before it returns.
    checker.acknowledged(watched, id)
    link.session?.acknowledge(id)
  }
}

function changeSocket({ random, devices }: World): void {
  const link = random.pick(devices)?.connection?.link
  if (link === undefined) return
  link.isFast = random.chance(60)
  if (random.chance(70)) link.drain()
}

function comeOrGo(world: World): void {
  const device = world.random.pick(world.devices)
  if (device === undefined || device.isBusy) return
  if (device.connection === undefined || world.random.chance(40)) void connect(world, device)
  else void disconnect(world, device)
}

/** Bob leaves the club, or joins it again once that is known. */
function changeMembers(world: World): void {
  if (world.isMoving) return
  const { memory, engine, club, checker, isDead } = world
  const devices = world.devices.filter(({ user }) => user === 'bob')
  const isMember = memory.rooms.get(club)?.members.has('bob') === true
  world.isMoving = true
  if (isMember) memory.leave(club, 'bob')
  else {
    memory.join(club, 'bob')
    for (const { name } of devices) checker.mayHear(name, club, memory.head(club))
  }
  const kind = isMember ? 'left' : 'joined'
  const changed = engine.membershipChanged({ kind, conversation: club, user: 'bob' })
  void changed.then(() => {
    if (isDead.value) return
    world.isMoving = false
    if (isMember) forbid(world)
  })
}

function forbid({ devices, checker, club }: World): void {
  for (const { user, name } of devices) if (user === 'bob') checker.mustNotHear(name, club)
}

/** The store fails to write cursors, or the process dies and starts again. */
function harm(world: World): void {
  const { memory, random, checker } = world
  checker.allowRepetition()
  if (random.chance(50)) return void memory.failures.set('saveCursors', 1 + random.below(2))
  world.isDead.value = true
  for (const device of world.devices) {
    if (device.connection) checker.closed(device.connection.watched)
    device.connection = undefined
    device.isBusy = false
  }
  world.isMoving = false
  if (memory.rooms.get(world.club)?.members.has('bob') !== true) forbid(world)
  void world.engine.close()
  world.isDead = { value: false }
  world.engine = newEngine(memory, random, world.isDead)
}

/** The weather clears up: whatever was begun ends, and everybody must get everything. */
async function finish(world: World): Promise<void> {
  const { memory, engine, checker, devices, conversations } = world
  world.isChaotic = false
  memory.failures.clear()
  await quiet(world)
  for (const entry of world.bus.splice(0)) engine.announce(entry)
  for (const device of devices) if (!device.connection) await connect(world, device)
  for (const id of conversations) {
    const last = memory.append(id)
    if (!world.options.isLastUnheard) engine.announce(last)
  }
  let missing: readonly string[] = []
  for (let round = 0; round < 200; round++) {
    await takeRound(world)
    missing = missingIn(world)
    if (missing.length === 0) break
  }
  checker.violations.push(...missing)
  for (const device of devices) await disconnect(world, device)
  for (const { name, user, device } of devices) {
    for (const id of conversations) {
      const [stored, acked] = [memory.acked(user, device, id), checker.acked(name, id)]
      if (acked !== undefined && missing.length === 0 && stored !== acked) {
        checker.violations.push(`${name} ${id}: the cursor is ${stored}, acknowledged are ${acked}`)
      }
    }
  }
  await engine.close()
}

async function quiet(world: World): Promise<void> {
  for (let i = 0; i < 30; i++) {
    for (const proceed of world.calls.splice(0)) proceed()
    await turn()
  }
}

/** Everybody takes and acknowledges everything. */
async function takeRound(world: World): Promise<void> {
  for (const { connection } of world.devices) {
    if (connection === undefined) continue
    const { watched, link } = connection
    link.isFast = true
    link.drain()
    for (const id of [...watched.byPacketId.keys()].slice(-Math.max(1, watched.pending.length))) {
      world.checker.acknowledged(watched, id)
      link.session?.acknowledge(id)
    }
    if (world.options.hasRepair !== false) link.session?.repair()
  }
  await turn()
}

function missingIn({ devices, conversations, checker, memory }: World): readonly string[] {
  return devices.flatMap(({ name, connection }) => {
    if (connection === undefined) return [`${name} cannot connect`]
    return conversations.flatMap(
      (id) => checker.mustBeAt(connection.watched, id, memory.head(id)) ?? [],
    )
  })
}
