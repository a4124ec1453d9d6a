// Plain topics with Mosquitto's clients and with MQTT.js, beside chat.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { connectDevice } from '../support/chat-client.ts'
import { mosquittoLasting, mosquittoLevel } from '../support/level.ts'
import { requireProgram, skipWithout } from '../support/programs.ts'
import type { TestServer } from '../support/server.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

type Owner = Parameters<typeof startTestServer>[0]
type Program = 'mosquitto_pub' | 'mosquitto_sub'

/** Of coreutils: into a pipe the clients would print in blocks. */
const lineByLine = 'stdbuf'

const skip = skipWithout('mosquitto_pub', 'mosquitto_sub')

/** Runs a client of Mosquitto as alice; resolves with its lines when it ends. */
function start(t: Owner, server: TestServer, program: Program, args: readonly string[]) {
  const address = ['-h', '127.0.0.1', '-p', String(server.mqttPort), ...mosquittoLevel]
  const { command } = requireProgram(program)
  const child = spawn(lineByLine, ['-oL', command as string, ...address, ...args])
  t.teardown(() => void child.kill())
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return { child, ended, lines: () => output.split('\n').slice(0, -1) }
}

async function login(server: TestServer, id: string): Promise<string[]> {
  return ['-i', id, '-u', 'alice', '-P', await server.token('alice')]
}

t.test('Mosquitto: the three QoS, retained messages and a durable queue', { skip }, async (t) => {
  const server = await startTestServer(t, { openTopics: 't/#' })
  const run = async (program: Program, ...args: string[]) => {
    const client = start(t, server, program, [...(await login(server, `x${args.length}`)), ...args])
    return { code: await client.ended, lines: client.lines() }
  }
  const durable = [
    ...(await login(server, 'durable')),
    '-c',
    ...mosquittoLasting,
    '-q',
    '2',
    '-t',
    't/queue/+',
  ]
  t.equal(await start(t, server, 'mosquitto_sub', [...durable, '-E']).ended, 0)
  for (const qos of ['1', '2']) {
    const sent = await run('mosquitto_pub', '-q', qos, '-t', 't/queue/a', '-m', `at ${qos}`)
    t.equal(sent.code, 0)
  }
  const back = start(t, server, 'mosquitto_sub', [...durable, '-C', '2', '-F', '%q %t %p'])
  t.equal(await back.ended, 0)
  t.same(back.lines(), ['1 t/queue/a at 1', '2 t/queue/a at 2'])
  await run('mosquitto_pub', '-r', '-t', 't/kept', '-m', 'old')
  await run('mosquitto_pub', '-r', '-q', '2', '-t', 't/kept', '-m', 'new')
  const kept = await run('mosquitto_sub', '-t', 't/+', '-C', '1', '-F', '%r %t %p')
  t.same(kept.lines, ['1 t/kept new'])
  await run('mosquitto_pub', '-r', '-n', '-t', 't/kept')
  const none = await run('mosquitto_sub', '-t', 't/+', '-W', '1', '-F', '%r %t %p')
  t.same(none.lines, [], 'it was removed')
})

t.test('Mosquitto: a will, when its client is killed', { skip }, async (t) => {
  const server = await startTestServer(t, { openTopics: 't/#' })
  const witness = await connectDevice(t, server, { user: 'bob', id: 'witness' })
  await witness.mqtt.subscribeAsync('t/#', { qos: 1 })
  const will = ['--will-topic', 't/will', '--will-payload', 'gone', '--will-qos', '1']
  const args = [...(await login(server, 'mortal')), '-t', 't/x', '-d', ...will]
  const mortal = start(t, server, 'mosquitto_sub', args)
  await witness.mqtt.publishAsync('t/x', 'are you there?', { qos: 1 })
  await until('it listens', async () => {
    await witness.mqtt.publishAsync('t/x', 'are you there?', { qos: 1 })
    return mortal.lines().some((line) => line.includes('PUBLISH'))
  })
  mortal.child.kill('SIGKILL')
  await until('the will', () => witness.received.some(({ topic }) => topic === 't/will'))
  t.match(witness.received.at(-1), { topic: 't/will', qos: 1 })
})

t.test('Mosquitto: a bare broker in trusted mode', { skip }, async (t) => {
  const server = await startTestServer(t, { openTopics: '#', anonymous: 'true' })
  const listener = start(t, server, 'mosquitto_sub', ['-t', '#', '-q', '2', '-C', '3', '-d'])
  const subscribed = () => listener.lines().some((line) => line.includes('Subscribed'))
  await until('it listens', subscribed)
  for (const qos of ['0', '1', '2']) {
    const args = ['-t', `any/${qos}`, '-q', qos, '-m', 'x']
    t.equal(await start(t, server, 'mosquitto_pub', args).ended, 0)
  }
  t.equal(await listener.ended, 0)
})

t.test('MQTT.js: chat and plain topics on one connection, over WebSocket too', async (t) => {
  const server = await startTestServer(t, { openTopics: 't/#' })
  for (const webSocket of [false, true]) {
    const device = { user: 'alice', id: `js-${webSocket}`, webSocket }
    const alice = await connectDevice(t, server, device)
    const granted = await alice.mqtt.subscribeAsync({
      'u/alice/msg': { qos: 1 },
      't/js/+': { qos: 2 },
      't/js/0': { qos: 0 },
    })
    t.same(
      granted.map(({ topic, qos }) => [topic, qos]),
      [
        ['u/alice/msg', 1],
        ['t/js/+', 2],
        ['t/js/0', 0],
      ],
    )
    await alice.mqtt.publishAsync('t/js/a', 'two', { qos: 2 })
    await alice.mqtt.publishAsync('u/alice/msg', 'note', { qos: 1 })
    await alice.mqtt.publishAsync('t/js/b', 'one', { qos: 1 })
    await until('all', () => alice.received.length === 3)
    const topics = alice.received.map(({ topic, qos }) => `${topic} ${qos}`)
    t.same(topics.sort(), ['t/js/a 2', 't/js/b 1', 'u/alice/msg 1'])
    await alice.mqtt.unsubscribeAsync(['t/js/+', 'u/alice/msg'])
    await alice.close()
  }
})
