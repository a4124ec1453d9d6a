// Chat with clients of others that speak MQTT 5: MQTT.js, and Mosquitto's own.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { IClientOptions } from 'mqtt'
import t, { type Test } from 'tap'
import { connectDevice } from '../support/chat-client.ts'
import { requireProgram, skipWithout } from '../support/programs.ts'
import { startTestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const server = await startTestServer(t)
await server.addGroup('team', ['alice', 'bob'])

const level5: IClientOptions = { protocolVersion: 5, clean: true }

async function connect(t: Test, user: string, id: string, options: IClientOptions = {}) {
  return connectDevice(t, server, { user, id }, { ...level5, ...options })
}

t.test('MQTT.js: a conversation with properties, aliases and few at a time', async (t) => {
  const properties = { receiveMaximum: 2, topicAliasMaximum: 10 }
  const bob = await connect(t, 'bob', 'b1', { properties })
  const heard: unknown[] = []
  bob.mqtt.on('message', (topic, _payload, { properties }) => {
    if (topic === 'g/team/msg') heard.push(properties?.userProperties?.seq)
  })
  await bob.mqtt.subscribeAsync('g/+/#', { qos: 1, properties: { subscriptionIdentifier: 3 } })
  const alice = await connect(t, 'alice', 'a1', {
    autoUseTopicAlias: true,
    autoAssignTopicAlias: true,
  })
  const said = Array.from({ length: 20 }, (_, index) => `line ${index}`)
  for (const text of said) {
    const userProperties = { trace: text }
    await alice.mqtt.publishAsync('g/team/msg', text, { qos: 1, properties: { userProperties } })
  }
  await until('all of it has come', () => bob.messages.length === said.length)
  t.same(bob.texts('g/team/msg'), said, 'the library puts the topics of aliases back')
  t.same(
    heard,
    said.map((_, index) => String(index + 1)),
  )
  t.same(
    bob.messages.map(({ json }) => json.ext),
    said.map((trace) => ({ trace })),
  )
})

t.test('MQTT.js: a publish that is refused is rejected with the reason', async (t) => {
  const alice = await connect(t, 'alice', 'a2')
  for (const qos of [1, 2] as const) {
    const failure = await alice.mqtt
      .publishAsync('u/nobody/msg', 'hello?', { qos })
      .catch((error: unknown) => error)
    t.match(failure, { code: 0x90 }, `QoS ${qos}`)
  }
  await alice.mqtt.publishAsync('g/team/msg', 'still here', { qos: 2 })
  t.pass('and the connection goes on')
})

t.test('MQTT.js: a durable session goes on where it was', async (t) => {
  const lasting = { clean: false, properties: { sessionExpiryInterval: 600 } }
  const bob = await connect(t, 'bob', 'b3', lasting)
  await bob.mqtt.subscribeAsync('g/team/msg', { qos: 1 })
  await bob.close()
  const alice = await connect(t, 'alice', 'a3')
  await alice.mqtt.publishAsync('g/team/msg', 'while you were away', { qos: 1 })
  const again = await connect(t, 'bob', 'b3', lasting)
  t.equal(again.sessionPresent, true)
  await until('it has come', () => again.messages.length === 1)
  t.same(again.texts(), ['while you were away'])
})

const skip = skipWithout('mosquitto_pub', 'mosquitto_sub')

/** Runs a program of Mosquitto at level 5 to its end. */
async function run(
  t: Test,
  program: 'mosquitto_pub' | 'mosquitto_sub',
  user: string,
  args: string[],
) {
  const password = await server.token(user)
  const login = ['-V', '5', '-p', String(server.mqttPort), '-u', user, '-P', password]
  const child = spawn(requireProgram(program).command as string, [...login, ...args])
  t.teardown(() => void child.kill())
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (it) => (output += it))
  const ended = once(child, 'close')
  return { ended, output: () => output }
}

t.test('Mosquitto: user properties in and out', { skip }, async (t) => {
  const id = 'mosquitto-bob'
  const listening = ['-q', '1', '-t', 'g/team/msg', '-i', id, '-c']
  await (await run(t, 'mosquitto_sub', 'bob', [...listening, '-E'])).ended
  const property = ['-D', 'publish', 'user-property', 'trace', 'abc']
  const args = ['-q', '1', '-t', 'g/team/msg', '-m', 'hello', ...property]
  await (await run(t, 'mosquitto_pub', 'alice', args)).ended
  const shown = ['-F', '%P %p', '-C', '1']
  const bob = await run(t, 'mosquitto_sub', 'bob', [...listening, ...shown])
  await bob.ended
  t.match(bob.output(), /conversation:g:team seq:\d+ from:alice .* trace:abc \{.*"ext":\{"trace"/)
})

t.test('Mosquitto: a publish that is refused says why', { skip }, async (t) => {
  const args = ['-q', '1', '-t', 'u/nobody/msg', '-m', 'hello']
  const alice = await run(t, 'mosquitto_pub', 'alice', args)
  await alice.ended
  t.match(alice.output(), /Topic Name invalid/)
  t.match(alice.output(), /There is no such user/)
})
