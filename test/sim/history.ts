// One random history, from a seed: publishes, connections that come, go, stall, break and take
// over, acknowledgements in any order, members who leave and join, a store that delays and fails,
// announcements that are lost, crashes and restarts. Then everything heals, and what was promised
// must be there. The same seed gives the same history.

import type { Device } from './device.ts'
import { makeRandom } from './random.ts'
import { calm } from './store.ts'
import type { Address } from './talk.ts'
import type { Theme } from './theme.ts'
import { installTimers } from './timers.ts'
import type { Plant, World } from './world.ts'
import { groups, makeWorld } from './world.ts'

export interface HistoryOptions {
  readonly seed: number
  readonly theme: Theme
  readonly plant?: Plant
}

export interface History {
  readonly violations: readonly string[]
  /** What happened, line by line, with the violations where they were seen. */
  readonly trace: readonly string[]
}

/** How often the engine compares what it sent with the log. */
const repairMs = 5000
const roundsMax = 60

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Runs a history. One at a time in a process: it holds the global timers meanwhile. */
export async function runHistory(options: HistoryOptions): Promise<History> {
  const { theme, plant = {} } = options
  const random = makeRandom(options.seed)
  const violations: string[] = []
  const trace: string[] = []
  const timers = installTimers({ without: theme.hasRepair ? undefined : repairMs })
  const begin = timers.now()
  const note = (line: string) => void trace.push(`${timers.now() - begin} ${line}`)
  const report = (violation: string) => {
    note(`VIOLATION ${violation}`)
    violations.push(violation)
  }
  try {
    const parts = { theme, random, timers, plant, trace: note, report }
    const world = await makeWorld(parts)
    await live(world)
    await heal(world, report)
    world.processes.crash()
  } finally {
    timers.restore()
  }
  return { violations, trace }
}

async function live(world: World): Promise<void> {
  const { random, devices } = world
  for (const device of devices) if (random.chance(80)) device.connect(random.chance(30))
  const steps = 60 + random.below(80)
  for (let i = 0; i < steps; i++) {
    await step(world)
    carrySome(world)
    world.timers.advance(random.below(3))
    await pause(world)
  }
}

/** A turn of the loop, less, or nothing: things also happen in one turn. */
async function pause({ random }: World): Promise<void> {
  const kind = random.below(10)
  if (kind < 6) for (let turns = random.below(3); turns >= 0; turns--) await turn()
  else if (kind < 8) for (let ticks = random.below(6); ticks >= 0; ticks--) await Promise.resolve()
}

function carrySome({ random, network, devices }: World): void {
  const stalled = new Set(devices.filter((it) => it.isStalled).map(({ facts }) => facts.name))
  network.carry((device) => {
    if (stalled.has(device)) return 0
    const kind = random.below(10)
    if (kind < 5) return 100_000
    return kind < 8 ? 1 + random.below(60) : 0
  })
}

async function step(world: World): Promise<void> {
  const { random, devices, processes, timers, theme } = world
  const device = random.pick(devices) as Device
  const kind = random.below(100)
  if (kind < 30) return speak(world, device)
  if (kind < 48) for (let i = random.below(3); i >= 0; i--) processes.proceed()
  else if (kind < 53) processes.announce()
  else if (kind < 65) device.acknowledge(1 + random.below(4), random.chance(70))
  else if (kind < 75) timers.advance(random.choose(10, 100, 400, 1100, 2500))
  else if (kind < 87) changeConnection(world, device)
  else if (kind < 90) device.isStalled = !device.isStalled
  else if (kind < 92) device.isPrompt = !device.isPrompt
  else if (kind < 94) changeSubscriptions(world, device)
  else if (kind < 96) changeMembers(world)
  else if (kind < 98) changeMood(world)
  else if (theme.dies) await changeProcess(world)
}

function speak({ random, speaker }: World, device: Device): void {
  const { user } = device.facts
  const others = ['ann', 'bob', 'cid'].filter((it) => it !== user)
  const isInTown = (groups.town as readonly string[]).includes(user)
  const addresses: readonly Address[] = [
    { group: 'club' },
    ...(isInTown ? [{ group: 'town' }] : [{ group: 'club' }]),
    { peer: others[0] as string },
    { group: 'club' },
  ]
  const to = random.pick(addresses) as Address
  for (let count = random.below(3); count >= 0; count--) speaker.say(device, to)
}

function changeConnection({ random, timers }: World, device: Device): void {
  const kind = random.below(10)
  if (device.state === 'offline' || kind < 3) return device.connect(random.chance(30))
  if (kind < 5) return device.cut()
  if (kind < 6) return device.vanish()
  if (kind < 7) return device.end()
  if (kind < 9) return device.leave()
  timers.advance(6000)
}

function changeSubscriptions({ random }: World, device: Device): void {
  if (random.chance(50)) device.unsubscribe(random.choose('d', 'g'))
  if (random.chance(70)) device.subscribe()
}

function changeMembers({ random, processes }: World): void {
  processes.changeMember('club', random.choose('bob', 'cid'), random.choose('join', 'leave'))
}

function changeMood({ random, processes, theme }: World): void {
  processes.setMood(random.chance(50) ? theme.mood : calm)
}

async function changeProcess({ random, processes }: World): Promise<void> {
  if (processes.server() === undefined) {
    // One that does not come to its end is killed.
    processes.crash()
    return processes.start()
  }
  if (random.chance(60)) processes.crash()
  else processes.stop()
}

/** Everything works again: what was promised must arrive, and must not arrive twice. */
async function heal(world: World, report: (violation: string) => void): Promise<void> {
  const { devices, network, processes, deliveries, timers, options, speaker, random } = world
  processes.setMood(calm)
  processes.heal()
  while (processes.proceed()) await turn()
  for (const device of devices) {
    device.isStalled = false
    device.isPrompt = true
  }
  // Until all of a user's devices are away the server goes by what it remembers.
  if (processes.unheard.size > 0) network.orphanAll()
  await settle(world)
  await quieten(world, report)
  for (const device of devices) {
    speaker.say(device, { group: 'club' }, true)
    speaker.say(device, { peer: device.facts.user }, true)
  }
  await quieten(world, report)
  for (let i = 0; i < 3; i++) {
    timers.advance(options.engine.cursorFlushMs)
    await settle(world)
  }
  deliveries.allIsFlushed()
  if (random.chance(50)) for (const device of devices) device.cut()
  else processes.crash()
  await quieten(world, report)
}

/** Drives the world until all devices have all that is theirs. */
async function quieten(world: World, report: (violation: string) => void): Promise<void> {
  const { devices, processes, timers } = world
  for (let round = 0; round < roundsMax; round++) {
    if (processes.server() === undefined && round > 8) processes.crash()
    await processes.start()
    for (const device of devices) {
      if (device.state === 'offline') device.connect(false)
      else if (device.state === 'online' && device.wants.size < 2) device.subscribe()
      device.acknowledge(Number.POSITIVE_INFINITY)
      device.ping()
    }
    await settle(world)
    if (round > 1 && missing(world).length === 0) return
    timers.advance(500)
  }
  for (const what of missing(world)) report(`at the end, ${what}`)
}

function missing({ devices }: World): readonly string[] {
  return devices.flatMap((device) => device.missing())
}

/** Lets everything run that waits for its turn, or a few milliseconds. */
async function settle({ network, timers }: World): Promise<void> {
  for (let quiet = 0, turns = 0; quiet < 6 && turns < 500; turns++) {
    quiet = network.carry(() => 100_000) ? 0 : quiet + 1
    timers.advance(1)
    await turn()
  }
}
