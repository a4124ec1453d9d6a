// A store that cannot commit for a while: a locked database, a full disk. Nothing is acknowledged
// that is not stored, the operator is told, and service resumes by itself.

import t, { type Test } from 'tap'
import { temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'
import { checkRun } from './checker.ts'
import { type Device, makeDevice } from './device.ts'
import { type Disk, limitFiles, mayMount, mountSmallDisk } from './disks.ts'
import { lockDatabase } from './locked-database.ts'
import { makePublisher, type Publisher, type PublisherOptions } from './publisher.ts'
import { conversationOf, readHistory, type ServerProgram, startServer } from './server-program.ts'
import { connectWire } from './wire-client.ts'

t.setTimeout(110_000)

/** Longer than the server takes between two of its own checks of a failing store. */
const outageMs = 2500

async function isReady(server: ServerProgram): Promise<boolean> {
  return (await server.request('/readyz')).status === 200
}

/** Waits until the server says that it is not ready, and returns why. */
async function untilRed(server: ServerProgram): Promise<string> {
  await until('/readyz turns red', async () => !(await isReady(server)), 30_000)
  const { status, json } = await server.request('/readyz')
  return `${status} ${(json as { reasons?: string[] }).reasons?.join()}`
}

function untilGreen(server: ServerProgram): Promise<void> {
  return until('/readyz turns green by itself', () => isReady(server))
}

/** Lets the outage last, while the server must say all the time that it is not ready. */
async function stayRed(t: Test, server: ServerProgram): Promise<void> {
  const end = Date.now() + outageMs
  let green = 0
  await until(
    'the outage has lasted',
    async () => {
      if (await isReady(server)) green++
      return Date.now() >= end
    },
    outageMs * 4,
  )
  t.equal(green, 0, '/readyz stays red')
}

function linesWith(server: ServerProgram, text: string): readonly string[] {
  return server.errors.filter((line) => line.includes(text))
}

/** The log says what fails, and says nothing twice, however long that lasts. */
function checkLog(t: Test, server: ServerProgram, reason: RegExp): void {
  t.match(linesWith(server, 'the store fails')[0], reason, 'a line in the log says what fails')
  const messages = server.errors.map((line) => (JSON.parse(line) as { msg: string }).msg)
  const repeated = messages.filter((message, index) => messages.indexOf(message) !== index)
  t.same(repeated, [], 'no line comes again')
}

interface Room {
  readonly server: ServerProgram
  readonly tokens: ReadonlyMap<string, string>
  publisher(options: Omit<PublisherOptions, 'token'>): Promise<Publisher>
  /** bob's phone, subscribed to all that comes to him. */
  readonly phone: Device
}

const users = ['alice', 'bob', 'carol']
const topics = { alice: ['u/bob/msg', 'g/team/msg'], carol: ['g/team/msg', 'u/bob/msg'] }
const conversationsOfBob = [
  'g:team',
  ...['alice', 'carol'].map((it) => conversationOf(it, 'u/bob/msg')),
]

/** A server with alice, bob and carol in a team, and bob's phone connected. */
async function makeRoom(t: Test, data: string, flags: readonly string[]): Promise<Room> {
  const server = await startServer(t, data, flags)
  const tokens = new Map<string, string>()
  for (const user of users) tokens.set(user, await server.token(user))
  await server.addGroup('team', users)
  const phone = makeDevice(t, {
    user: 'bob',
    name: 'phone',
    token: tokens.get('bob') as string,
    conversations: conversationsOfBob,
    ledger: new Map(),
  })
  const client = await phone.connect(server.mqttPort)
  await client.subscribe(['u/bob/msg', 'u/bob/error', 'g/+/msg'])
  return {
    server,
    tokens,
    phone,
    async publisher(options) {
      const made = makePublisher(t, { ...options, token: tokens.get(options.user) as string })
      await made.connect(server.mqttPort)
      return made
    },
  }
}

const acknowledgedBy = (publishers: readonly Publisher[]) =>
  publishers.reduce((total, publisher) => total + publisher.acknowledged(), 0)

/** Waits until all that was published is acknowledged and is with bob's phone, and judges. */
async function settleAndCheck(
  t: Test,
  { server, phone, tokens }: Room,
  publishers: readonly Publisher[],
): Promise<void> {
  for (const publisher of publishers) publisher.write(false)
  await until('all is acknowledged', () => publishers.every((it) => it.inFlight() === 0))
  const token = tokens.get('bob') as string
  const histories = await Promise.all(
    conversationsOfBob.map(async (conversation) => {
      return { conversation, entries: await readHistory(server, token, conversation) }
    }),
  )
  await until('the phone has everything', () =>
    histories.every(({ conversation, entries }) => phone.head(conversation) >= entries.length),
  )
  await phone.client()?.ping()
  const publications = publishers.map((it) => it.publications)
  t.same(checkRun({ publications, devices: [phone.stream], histories }), [], 'once, in order')
  t.same(
    publishers.flatMap((it) => it.problems),
    [],
    'PUBACKs in order',
  )
  t.same(phone.notices, [], 'nothing was refused')
}

/** While the store fails: nothing is acknowledged, everybody stays and is answered. */
async function sitOut(t: Test, { server, phone }: Room, publishers: readonly Publisher[]) {
  const clients = [phone, ...publishers].map((it) => it.client())
  // What was committed before the failure has been answered when these are.
  await Promise.all(clients.map((client) => client?.ping()))
  const before = acknowledgedBy(publishers)
  await stayRed(t, server)
  await Promise.all(clients.map((client) => client?.ping()))
  t.equal(acknowledgedBy(publishers), before, 'nothing is acknowledged')
  t.ok(
    publishers.every((it) => it.inFlight() > 0),
    'though all have published',
  )
  return before
}

t.test('a locked database delays PUBACKs, and they come in order when it is free', async (t) => {
  const data = temporaryFolder(t)
  const room = await makeRoom(t, data, ['--append-wait-ms', '60000'])
  const { server } = room
  const publishers = [
    await room.publisher({ user: 'alice', topics: topics.alice, inFlightMax: 10 }),
    await room.publisher({ user: 'carol', topics: topics.carol, inFlightMax: 10 }),
  ]
  for (const publisher of publishers) publisher.write(true)
  await until('messages flow', () => acknowledgedBy(publishers) > 40)
  const release = await lockDatabase(t, data)
  t.match(await untilRed(server), /^503 store: .*database is locked/)
  const before = await sitOut(t, room, publishers)
  checkLog(t, server, /"level":50.*database is locked/)
  release()
  await untilGreen(server)
  await until('messages flow again', () => acknowledgedBy(publishers) > before + 40)
  t.equal(linesWith(server, 'the store works again').length, 1)
  await settleAndCheck(t, room, publishers)
})

t.test('a database locked for too long ends only the connections that publish', async (t) => {
  const data = temporaryFolder(t)
  const room = await makeRoom(t, data, ['--append-wait-ms', '500'])
  const { server, tokens } = room
  const port = server.mqttPort
  const alice = await room.publisher({ user: 'alice', topics: topics.alice, inFlightMax: 3 })
  const carol = await room.publisher({ user: 'carol', topics: topics.carol, inFlightMax: 1 })
  alice.write(true)
  await until('messages flow', () => alice.acknowledged() > 10)
  const release = await lockDatabase(t, data)
  await until("alice's connection is closed", () => !alice.client()?.isOpen())
  alice.write(false)
  t.ok(alice.inFlight() > 0, 'without an answer to what could not be stored')
  t.match(await untilRed(server), /database is locked/)
  await room.phone.client()?.ping()
  await carol.client()?.ping()
  t.pass('who does not publish stays')
  carol.write(true)
  await until("carol's connection is closed", () => !carol.client()?.isOpen())
  carol.write(false)
  t.equal(carol.acknowledged(), 0, 'nothing is acknowledged on it')
  await carol.connect(port)
  t.equal(carol.client()?.sessionPresent, true, 'a device that is known can connect')
  const token = tokens.get('alice') as string
  const stranger = { port, user: 'alice', device: 'new', token, heard: () => {} }
  await t.rejects(connectWire(t, stranger), /refused with code 3/, 'a new one is told to wait')
  await until("carol's connection is closed", () => !carol.client()?.isOpen())
  await stayRed(t, server)
  checkLog(t, server, /database is locked/)
  release()
  await untilGreen(server)
  t.pass('/readyz turned green while nobody published')
  await Promise.all([alice.connect(port), carol.connect(port)])
  await settleAndCheck(t, room, [alice, carol])
})

t.test('a first message to a peer, on a locked database, waits as every other does', async (t) => {
  const data = temporaryFolder(t)
  const room = await makeRoom(t, data, ['--append-wait-ms', '60000'])
  const { server } = room
  const carol = await room.publisher({ user: 'carol', topics: ['u/bob/msg'], inFlightMax: 1 })
  const release = await lockDatabase(t, data)
  carol.write(true)
  await until('the server has noticed', async () => {
    return !carol.client()?.isOpen() || !(await isReady(server))
  })
  t.equal(carol.client()?.isOpen(), true, 'its publisher stays connected')
  t.equal(await isReady(server), false, '/readyz is red')
  t.equal(carol.acknowledged(), 0, 'it is not acknowledged')
  carol.write(false)
  release()
  await untilGreen(server)
  if (!carol.client()?.isOpen()) await carol.connect(server.mqttPort)
  await settleAndCheck(t, room, [carol])
})

async function testFullDisk(t: Test, disk: Disk): Promise<void> {
  const room = await makeRoom(t, disk.folder, ['--append-wait-ms', '60000'])
  const { server } = room
  disk.shrink(server.pid)
  const padding = ` ${'x'.repeat(60_000)}`
  const publishers = [
    await room.publisher({ user: 'alice', topics: topics.alice, inFlightMax: 8, padding }),
    await room.publisher({ user: 'carol', topics: topics.carol, inFlightMax: 8, padding }),
  ]
  for (const publisher of publishers) publisher.write(true)
  t.match(await untilRed(server), /^503 store: .*(disk is full|disk I\/O error)/)
  const before = await sitOut(t, room, publishers)
  checkLog(t, server, /"level":50.*(disk is full|disk I\/O error)/)
  const token = room.tokens.get('bob') as string
  const history = await Promise.all(conversationsOfBob.map((id) => readHistory(server, token, id)))
  t.equal(history.flat().length, before, 'history holds what was acknowledged, and no more')
  disk.grow(server.pid)
  await untilGreen(server)
  await until('messages flow again', () => acknowledgedBy(publishers) > before + 40)
  t.equal(linesWith(server, 'the store works again').length, 1)
  t.comment(`${before} messages were acknowledged before it was full`)
  await settleAndCheck(t, room, publishers)
}

// Whoever may not mount a file system has the next test, which fails another call of the same
// writer.
if (mayMount()) {
  t.test('a full disk delays PUBACKs, and service resumes when there is room', async (t) => {
    await testFullDisk(t, mountSmallDisk(t))
  })
}

t.test('files that may not grow delay PUBACKs, and service resumes when they may', async (t) => {
  await testFullDisk(t, limitFiles(t))
})
