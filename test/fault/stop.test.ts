// A server that is stopped while everybody writes: it leaves in time, loses nothing that was
// acknowledged, and forgets nothing that devices acknowledged.

import t, { type Test } from 'tap'
import { temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'
import { checkRun, type SeenEntry } from './checker.ts'
import { type Device, makeDevice } from './device.ts'
import { makePublisher, type Publisher } from './publisher.ts'
import { conversationOf, readHistory, type ServerProgram, startServer } from './server-program.ts'

const drainTimeoutMs = 5000
const users = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank']
/** Cursors are written when the server stops, or not within this test. */
const flags = ['--cursor-flush-ms', '60000', '--drain-timeout-ms', String(drainTimeoutMs)]

const peerOf = (index: number) => users[(index + 1) % users.length] as string

function conversationsOf(index: number): readonly string[] {
  const user = users[index] as string
  const before = users[(index + users.length - 1) % users.length] as string
  return ['g:all', ...[peerOf(index), before].map((it) => conversationOf(user, `u/${it}/msg`))]
}

interface Crowd {
  readonly publishers: readonly Publisher[]
  readonly phones: readonly Device[]
  readonly tokens: readonly string[]
}

/** Six users in a group, each with a phone that listens and a device that writes. */
async function makeCrowd(t: Test, server: ServerProgram): Promise<Crowd> {
  const tokens = await Promise.all(users.map((user) => server.token(user)))
  await server.addGroup('all', users)
  const ledger = new Map<string, SeenEntry>()
  const publishers = users.map((user, index) => {
    const topics = [`u/${peerOf(index)}/msg`, 'g/all/msg']
    return makePublisher(t, { user, token: tokens[index] as string, topics, inFlightMax: 20 })
  })
  const phones = users.map((user, index) => {
    const token = tokens[index] as string
    const conversations = conversationsOf(index)
    return makeDevice(t, { user, name: 'phone', token, conversations, ledger })
  })
  for (const phone of phones) {
    const client = await phone.connect(server.mqttPort)
    const [user] = phone.stream.device.split('/')
    await client.subscribe([`u/${user}/msg`, `u/${user}/error`, 'g/+/msg'])
  }
  return { publishers, phones, tokens }
}

/** How far a device is in its conversations. */
function headsOf(device: Device): ReadonlyMap<string, number> {
  return new Map(device.stream.conversations.map((id) => [id, device.head(id)]))
}

const acknowledgedBy = (publishers: readonly Publisher[]) =>
  publishers.reduce((total, publisher) => total + publisher.acknowledged(), 0)

async function historiesOf({ tokens }: Crowd, server: ServerProgram) {
  const readers = new Map(users.flatMap((_, i) => conversationsOf(i).map((id) => [id, tokens[i]])))
  return Promise.all(
    [...readers].map(async ([conversation, token]) => {
      return { conversation, entries: await readHistory(server, token as string, conversation) }
    }),
  )
}

/** What came on a device's last connection although it was acknowledged before. */
function repeatedOn(device: Device, acknowledged: ReadonlyMap<string, number>): readonly string[] {
  return (device.stream.connections.at(-1) ?? [])
    .filter(({ conversation, seq }) => seq <= (acknowledged.get(conversation) ?? 0))
    .map(({ conversation, seq }) => `${device.stream.device}: ${conversation} ${seq}`)
}

t.test('a server stopped at full speed leaves in time and keeps what it promised', async (t) => {
  const data = temporaryFolder(t)
  const first = await startServer(t, data, flags)
  const crowd = await makeCrowd(t, first)
  const { publishers, phones } = crowd
  for (const publisher of publishers) {
    publisher.write(true)
    await publisher.connect(first.mqttPort)
  }
  await until('messages flow', () => acknowledgedBy(publishers) > 500)
  // Deliveries up to here have been acknowledged by the phones; the answer to a PINGREQ proves that
  // the server has read that. What comes later may be cut off on its way.
  const acknowledged = phones.map(headsOf)
  await Promise.all(phones.map((phone) => phone.client()?.ping()))
  const stoppedAt = Date.now()
  t.equal(await first.end('SIGTERM'), 0, 'exit code')
  const tookMs = Date.now() - stoppedAt
  t.ok(tookMs < drainTimeoutMs, `it took ${tookMs} ms`)
  t.match(first.output.at(-1), /^stopped$/)
  t.same(
    first.errors.filter((line) => !line.includes('"level":30')),
    [],
    'nothing to warn of',
  )
  const inFlight = publishers.reduce((total, it) => total + it.inFlight(), 0)
  t.ok(inFlight > 0, `${inFlight} messages were in flight`)
  for (const publisher of publishers) publisher.write(false)

  const second = await startServer(t, data, flags)
  await Promise.all([...phones, ...publishers].map((it) => it.connect(second.mqttPort)))
  await until('all is acknowledged', () => publishers.every((it) => it.inFlight() === 0))
  const histories = await historiesOf(crowd, second)
  const lengths = new Map(histories.map((it) => [it.conversation, it.entries.length]))
  const hasAll = (phone: Device) =>
    phone.stream.conversations.every((id) => phone.head(id) >= (lengths.get(id) ?? 0))
  await until('every phone has everything', () => phones.every(hasAll))
  await Promise.all(phones.map((phone) => phone.client()?.ping()))
  const repeated = phones.flatMap((phone, index) =>
    repeatedOn(phone, acknowledged[index] as ReadonlyMap<string, number>),
  )
  t.same(repeated.slice(0, 10), [], 'nothing that was acknowledged is delivered again')
  const publications = publishers.map((it) => it.publications)
  const devices = phones.map((it) => it.stream)
  t.same(checkRun({ publications, devices, histories }), [], 'nothing is lost, all in order')
  t.comment(`${acknowledgedBy(publishers)} messages, stopped within ${tookMs} ms`)
})
