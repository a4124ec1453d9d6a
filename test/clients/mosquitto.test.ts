// Chat with Mosquitto's own command line clients, as a newcomer would try it.

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { mosquittoLasting, mosquittoLevel, testLevel } from '../support/level.ts'
import { requireProgram, skipWithout } from '../support/programs.ts'
import type { TestServer } from '../support/server.ts'
import { startTestServer, temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'

const skip = skipWithout('mosquitto_pub', 'mosquitto_sub')
type Owner = Parameters<typeof startTestServer>[0]

/** Of coreutils: into a pipe the clients would print in blocks. */
const lineByLine = 'stdbuf'

interface Who {
  readonly user: string
  readonly id: string
  readonly password?: string
}

interface Running {
  /** The lines it printed so far. */
  readonly lines: string[]
  readonly child: ChildProcess
  /** Resolves with its exit code. */
  readonly exited: Promise<number | null>
  errors(): string
}

async function login(server: TestServer, { user, id, password }: Who): Promise<string[]> {
  const token = password ?? (await server.token(user))
  const address = ['-h', '127.0.0.1', '-p', String(server.mqttPort), ...mosquittoLevel]
  return [...address, '-i', id, '-u', user, '-P', token]
}

function start(t: Owner, program: 'mosquitto_pub' | 'mosquitto_sub', args: string[]): Running {
  const { command } = requireProgram(program)
  const child = spawn(lineByLine, ['-oL', command as string, ...args])
  t.teardown(() => void child.kill())
  let output = ''
  let errors = ''
  const lines: string[] = []
  child.stdout.on('data', (chunk) => {
    output += chunk
    const whole = output.split('\n')
    output = whole.pop() ?? ''
    lines.push(...whole)
  })
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const exited = once(child, 'close').then(([code]) => code as number | null)
  return { lines, child, exited, errors: () => errors }
}

/** Publishes and resolves with the exit code; `input` goes to standard input. */
async function publish(
  t: Owner,
  server: TestServer,
  who: Who,
  { args, input }: { readonly args: string[]; readonly input?: string },
): Promise<number | null> {
  const running = start(t, 'mosquitto_pub', [...(await login(server, who)), ...args])
  running.child.stdin?.end(input ?? '')
  return running.exited
}

/** A device that listens at QoS 1 with a session that lasts; resolves when it is subscribed. */
async function subscribe(t: Owner, server: TestServer, who: Who, args: string[]): Promise<Running> {
  const listening = ['-c', ...mosquittoLasting, '-q', '1', '-d', '-F', '=%t %p', ...args]
  const running = start(t, 'mosquitto_sub', [...(await login(server, who)), ...listening])
  await until('it is subscribed', () => running.lines.some((line) => /Subscribed/.test(line)))
  return running
}

/** The messages it got, in order. With -d there is chatter between the lines marked with =. */
function received({ lines }: Running): Record<string, unknown>[] {
  return lines
    .filter((line) => /^=\S+\/(msg|error) /.test(line))
    .map((line) => JSON.parse(line.slice(line.indexOf(' ') + 1)))
}

const texts = (running: Running) => received(running).map(({ text }) => text)

function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}`)
}

async function stop(running: Running): Promise<void> {
  running.child.kill('SIGINT')
  await running.exited
}

const alice = { user: 'alice', id: 'alice-phone' }
const bob = { user: 'bob', id: 'bob-phone' }

t.test(
  'a direct message reaches the peer and the other device of its sender',
  { skip },
  async (t) => {
    const server = await startTestServer(t)
    const peer = await subscribe(t, server, bob, ['-t', 'u/bob/#'])
    const own = await subscribe(t, server, { ...alice, id: 'laptop' }, ['-t', 'u/alice/#'])
    const args = ['-q', '1', '-t', 'u/bob/msg', '-m', 'hello']
    t.equal(await publish(t, server, alice, { args }), 0)
    await until('both have it', () => [peer, own].every((it) => received(it).length > 0))
    t.match(received(peer), [{ seq: 1, from: 'alice', to: 'bob', kind: 'text', text: 'hello' }])
    t.same(received(own), received(peer))
    t.ok(peer.lines.some((line) => line.startsWith('=u/bob/msg ')))
    t.ok(own.lines.some((line) => line.startsWith('=u/alice/msg ')))
  },
)

t.test('a group message reaches every member, and nobody else', { skip }, async (t) => {
  const server = await startTestServer(t)
  await server.addGroup('team', ['alice', 'bob', 'carol'])
  const members = await Promise.all(
    ['alice', 'bob', 'carol', 'eve'].map((user) =>
      subscribe(t, server, { user, id: 'listening' }, ['-t', 'g/+/msg', '-t', `u/${user}/#`]),
    ),
  )
  const args = ['-q', '1', '-t', 'g/team/msg', '-m', '{"id":"m1","text":"hi","mood":"fine"}']
  t.equal(await publish(t, server, alice, { args }), 0)
  const eve = members.pop() as Running
  await until('all members have it', () => members.every((it) => received(it).length > 0))
  for (const member of members) {
    t.match(received(member), [{ id: 'm1', group: 'team', text: 'hi', ext: { mood: 'fine' } }])
  }
  const last = ['-q', '1', '-t', 'u/eve/msg', '-m', 'for eve']
  t.equal(await publish(t, server, alice, { args: last }), 0)
  await until('eve hears alice', () => received(eve).length > 0)
  t.same(texts(eve), ['for eve'])
})

t.test('a device that was away gets exactly what it missed, in order', { skip }, async (t) => {
  const server = await startTestServer(t)
  await server.addGroup('team', ['alice', 'bob'])
  const filter = ['-t', 'g/+/msg']
  const say = async (lines: string[]) => {
    const args = ['-q', '1', '-l', '-t', 'g/team/msg']
    t.equal(await publish(t, server, alice, { args, input: `${lines.join('\n')}\n` }), 0)
  }
  const first = await subscribe(t, server, bob, filter)
  await say(numbered(1, 10))
  await until('bob has ten', () => received(first).length >= 10)
  await stop(first)
  await say(numbered(11, 400))
  const second = await subscribe(t, server, bob, filter)
  await say(['live'])
  await until('bob has the last', () => texts(second).includes('live'))
  await stop(second)
  t.same(texts(first), numbered(1, 10))
  t.same(texts(second), [...numbered(11, 400), 'live'])
  t.same(
    received(second).map(({ seq }) => seq),
    Array.from({ length: 391 }, (_, index) => index + 11),
  )
})

t.test('two devices of a user each go on where they were', { skip }, async (t) => {
  const server = await startTestServer(t)
  const filter = ['-t', 'u/bob/msg']
  const say = async (from: number, to: number) => {
    const args = ['-q', '1', '-l', '-t', 'u/bob/msg']
    await publish(t, server, alice, { args, input: `${numbered(from, to).join('\n')}\n` })
  }
  const tablet = { user: 'bob', id: 'bob-tablet' }
  const [phone1, tablet1] = await Promise.all([
    subscribe(t, server, bob, filter),
    subscribe(t, server, tablet, filter),
  ])
  await say(1, 20)
  await until('both have 20', () => [phone1, tablet1].every((it) => received(it).length >= 20))
  await stop(phone1)
  await say(21, 40)
  await until('the tablet has 40', () => received(tablet1).length >= 40)
  await stop(tablet1)
  await say(41, 60)
  const [phone2, tablet2] = await Promise.all([
    subscribe(t, server, bob, filter),
    subscribe(t, server, tablet, filter),
  ])
  await until('both have all', () => [phone2, tablet2].every((it) => texts(it).includes('line 60')))
  t.same(texts(phone2), numbered(21, 60))
  t.same(texts(tablet2), numbered(41, 60))
})

for (const qos of [0, 1, 2]) {
  t.test(`many lines of -l at QoS ${qos} are stored, in order`, { skip }, async (t) => {
    const server = await startTestServer(t)
    await server.addGroup('team', ['alice', 'bob'])
    const listener = await subscribe(t, server, bob, ['-t', 'g/+/msg'])
    const lines = numbered(1, 1000)
    const args = ['-q', String(qos), '-l', '-t', 'g/team/msg']
    t.equal(await publish(t, server, alice, { args, input: `${lines.join('\n')}\n` }), 0)
    await until('bob has all', () => received(listener).length >= lines.length)
    t.same(texts(listener), lines)
    const token = await server.token('bob')
    const path = '/v1/conversations/g:team/messages?after=990'
    const { json } = await server.request('GET', path, { token })
    const { messages } = json as { messages: { text: string }[] }
    t.same(
      messages.map(({ text }) => text),
      lines.slice(990),
    )
  })
}

t.test('a large message and a binary one come whole', { skip }, async (t) => {
  const server = await startTestServer(t)
  const listener = await subscribe(t, server, bob, ['-t', 'u/bob/msg'])
  const folder = temporaryFolder(t)
  const large = 'äöü '.repeat(9000)
  const binary = Buffer.from([0, 1, 2, 0xff, 0xfe])
  for (const [name, content] of Object.entries({ large, binary })) {
    const file = join(folder, name)
    writeFileSync(file, content)
    const args = ['-q', '1', '-t', 'u/bob/msg', '-f', file]
    t.equal(await publish(t, server, alice, { args }), 0)
  }
  await until('bob has both', () => received(listener).length >= 2)
  const [first, second] = received(listener)
  t.equal(first?.text, large)
  t.match(second, { kind: 'data', data: binary.toString('base64') })
})

t.test('a message that is too large is explained to its sender', { skip }, async (t) => {
  const server = await startTestServer(t)
  const errors = await subscribe(t, server, { ...alice, id: 'log' }, ['-t', 'u/alice/error'])
  const file = join(temporaryFolder(t), 'large')
  writeFileSync(file, 'x'.repeat(70_000))
  const args = ['-q', '1', '-t', 'u/bob/msg', '-f', file]
  await server.addUser('bob')
  t.equal(await publish(t, server, alice, { args }), 0)
  await until('it is explained', () => received(errors).length > 0)
  t.match(received(errors), [{ code: 'payload-too-large', clientId: alice.id }])
})

t.test('a refused connect ends the client with its return code', { skip }, async (t) => {
  const server = await startTestServer(t)
  await server.addUser('alice')
  const args = ['-q', '1', '-t', 'u/alice/msg', '-m', 'x']
  const refusedWith = async (who: Who, extra: string[] = []) => {
    const all = [...(await login(server, who)), ...args, ...extra]
    const running = start(t, 'mosquitto_pub', all)
    return [await running.exited, running.errors().trim()]
  }
  const bad = await refusedWith({ ...alice, password: 'no token' })
  t.match(bad, [testLevel === 5 ? 0x86 : 4, /bad user ?name or password/i])
  const noDevice = testLevel === 5 ? [0x85, /identifier not valid/i] : [2, /identifier rejected/i]
  t.match(await refusedWith({ ...alice, id: 'a/b' }), noDevice)
  const will = ['--will-topic', 'u/bob/msg', '--will-payload', 'x']
  t.match(await refusedWith(alice, will), [testLevel === 5 ? 0x87 : 5, /not authori[sz]ed/i])
  for (const level of ['mqttv31', 'mqttv311', 'mqttv5']) {
    t.same(await refusedWith(alice, ['-V', level]), [0, ''], `and a good one is not: ${level}`)
  }
})

t.test('mosquitto_sub gives up when its subscription is refused', { skip }, async (t) => {
  const server = await startTestServer(t)
  const running = start(t, 'mosquitto_sub', [
    ...(await login(server, alice)),
    ...['-q', '1', '-t', 'u/bob/#'],
  ])
  await running.exited
  t.match(running.errors(), /denied/)
})
