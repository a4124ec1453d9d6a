// `parley serve --workers`: several processes behind the same ports, members of a real cluster.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectAsync, type MqttClient } from 'mqtt'
import t, { type Test } from 'tap'
import { makeApi } from '../fault/server-program.ts'
import { makeAuthority } from '../support/certificates.ts'
import { freePort } from '../support/engine-process.ts'
import { skipWithoutMongo, startMongo } from '../support/mongo.ts'
import { skipWithout } from '../support/programs.ts'
import { startRedis } from '../support/redis.ts'
import { adminToken, temporaryFolder } from '../support/server.ts'
import { until } from '../support/until.ts'
import { runParley, startParley } from './parley.ts'

t.test('several processes on SQLite are refused in one line', async (t) => {
  for (const workers of ['2', 'auto']) {
    const { code, stderr } = await runParley(t, ['serve', '--workers', workers], {
      cwd: t.testdir(),
    })
    t.equal(code, 1)
    t.match(stderr, /^parley: .*workers (2|auto) needs a cluster, REDIS_URL and MONGODB_URL.*\n$/)
  }
})

const skip = skipWithoutMongo() || skipWithout('redis-server', 'openssl')

/** A crew of workers; `pids` are theirs. */
async function startCrew(t: Test, count: number) {
  const redis = await startRedis(t)
  const mongo = await startMongo(t)
  const [mqttPort, httpPort, mqttsPort] = [await freePort(), await freePort(), await freePort()]
  const { certificate, key } = makeAuthority(temporaryFolder(t)).issue('localhost')
  const cwd = t.testdir()
  const environment = {
    PARLEY_ADMIN_TOKEN: adminToken,
    REDIS_URL: redis.url,
    MONGODB_URL: mongo.freshDatabase(),
    PARLEY_WORKERS: String(count),
    PARLEY_MQTT_PORT: String(mqttPort),
    PARLEY_HTTP_PORT: String(httpPort),
    PARLEY_MQTTS_PORT: String(mqttsPort),
    PARLEY_TLS_CERTIFICATE: certificate,
    PARLEY_TLS_KEY: key,
  }
  const server = startParley(t, ['serve'], { cwd, environment })
  await server.until(/^data folder .*\n/m)
  const api = makeApi(httpPort, () => server.stderr())
  const metrics = async () => {
    const answer = await fetch(`http://127.0.0.1:${httpPort}/metrics`, {
      headers: { connection: 'close' },
    })
    const text = await answer.text()
    return (name: string) => {
      const line = text.split('\n').find((it) => it.startsWith(`${name} `))
      return Number(line?.split(' ')[1])
    }
  }
  return { server, api, mqttPort, mqttsPort, cwd, metrics, environment }
}

async function connectDevice(t: Test, url: string, { token, id }: { token: string; id: string }) {
  const client = await connectAsync(url, {
    clientId: id,
    rejectUnauthorized: false,
    username: 'x',
    password: token,
    reconnectPeriod: 100,
  })
  t.teardown(() => void client.end(true))
  return client
}

t.test('workers share the ports, the metrics, and their end', { skip }, async (t) => {
  const { server, api, mqttPort, mqttsPort, cwd, metrics } = await startCrew(t, 2)
  const token = await api.token('alice')
  const devices: MqttClient[] = []
  for (let index = 0; index < 6; index++) {
    const url = index % 2 ? `mqtts://127.0.0.1:${mqttsPort}` : `mqtt://127.0.0.1:${mqttPort}`
    devices.push(await connectDevice(t, url, { token, id: `phone-${index}` }))
  }
  const got = devices.map(() => [] as string[])
  devices.forEach((device, index) => {
    device.on('message', (_topic, payload) => got[index]?.push(JSON.parse(`${payload}`).text))
  })
  for (const device of devices) await device.subscribeAsync('u/alice/msg', { qos: 1 })
  for (const [index, device] of devices.entries()) {
    await device.publishAsync('u/alice/msg', `from ${index}`, { qos: 1 })
  }
  await until('everybody has everything', () => got.every((texts) => texts.length === 6))
  t.ok(
    got.every((texts) => `${texts}` === `${got[0]}`),
    'in one order',
  )
  const read = await metrics()
  t.same(
    [read('parley_workers'), read('parley_connects_accepted_total')],
    [2, 6],
    'a scrape counts both',
  )
  t.equal(read('parley_messages_received_total{lane="chat"}'), 6)
  t.equal(server.stdout().match(/^listening mqtt:/gm)?.length, 1, 'one greeting')
  t.ok(existsSync(join(cwd, 'data/server.json')))
  server.signal('SIGHUP')
  await until('both read their certificates', () => {
    return server.stderr().match(/the TLS certificates were read again/g)?.length === 2
  })
  server.signal('SIGTERM')
  t.match(await server.ended(), { code: 0, stdout: /\nstopped\n$/ })
  t.notOk(existsSync(join(cwd, 'data/server.json')))
})

t.test('a worker that is killed is started again, and its clients go on', { skip }, async (t) => {
  const { server, api, mqttPort, metrics } = await startCrew(t, 2)
  const token = await api.token('alice')
  const devices = [
    await connectDevice(t, `mqtt://127.0.0.1:${mqttPort}`, { token, id: 'one' }),
    await connectDevice(t, `mqtt://127.0.0.1:${mqttPort}`, { token, id: 'two' }),
  ]
  const counted = (await metrics())('parley_connects_accepted_total')
  t.equal(counted, 2)
  const pids = workersOf(server.pid)
  t.equal(pids.length, 2)
  process.kill(pids[0] as number, 'SIGKILL')
  await until(
    'it is started again',
    async () => {
      return workersOf(server.pid).length === 2 && (await metrics())('parley_workers') === 2
    },
    30_000,
  )
  await until('both devices are back', () => devices.every(({ connected }) => connected))
  t.ok((await metrics())('parley_connects_accepted_total') >= counted, 'no counter went down')
  t.match(server.stderr(), /"signal":"SIGKILL".*"restartMs":100.*a worker has ended/)
  server.signal('SIGINT')
  t.match(await server.ended(), { code: 0 })
})

t.test('a first worker that cannot start ends them all', { skip }, async (t) => {
  const { environment } = await startCrew(t, 2)
  const { code, stderr } = await runParley(t, ['serve'], { cwd: t.testdir(), environment })
  t.equal(code, 1)
  t.match(stderr, new RegExp(`127.0.0.1:${environment.PARLEY_MQTT_PORT} is in use`))
})

/** Ids of the processes that a process has started. */
function workersOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.trim().split(' ').filter(Boolean).map(Number)
}
