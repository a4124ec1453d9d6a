// Settings: which source wins, and that whatever is wrong is refused, all of it at once.

import t from 'tap'
import { settingDescriptions } from '../../config/descriptions.ts'
import type { SettingsInput } from '../../config/load.ts'
import { loadSettings, SettingsError } from '../../config/load.ts'

function load(input: Partial<SettingsInput>) {
  const readFile = (path: string): string => {
    throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' })
  }
  return loadSettings({ flags: {}, environment: {}, readFile, ...input })
}

function problemsOf(input: Partial<SettingsInput>): readonly string[] {
  try {
    load(input)
  } catch (error) {
    if (error instanceof SettingsError) return error.problems
    throw error
  }
  return []
}

const fileWith = (content: object) => () => JSON.stringify(content)

t.test('without anything given, every setting has its default', async (t) => {
  const { settings, sources } = load({})
  for (const { key, default: standard } of settingDescriptions) {
    t.same(settings[key], standard, key)
    t.equal(sources[key], 'default')
  }
})

t.test('a flag wins over the environment, that over the file, that over the default', async (t) => {
  const { settings, sources } = load({
    flags: { config: 'p.json', mqttPort: '1' },
    environment: { PARLEY_MQTT_PORT: '2', PARLEY_HTTP_PORT: '3' },
    readFile: fileWith({ mqttPort: 4, httpPort: 5, host: 'h', roles: ['api'] }),
  })
  t.match(settings, { mqttPort: 1, httpPort: 3, host: 'h', roles: ['api'], data: './data' })
  t.match(sources, {
    mqttPort: '--mqtt-port',
    httpPort: 'PARLEY_HTTP_PORT',
    host: 'file p.json',
    data: 'default',
  })
})

t.test('PARLEY_CONFIG names the file, and --config wins over it', async (t) => {
  const readFile = (path: string) => JSON.stringify({ host: path })
  const environment = { PARLEY_CONFIG: 'from-environment' }
  t.equal(load({ environment, readFile }).settings.host, 'from-environment')
  t.equal(load({ environment, readFile, flags: { config: 'flag' } }).settings.host, 'flag')
})

t.test('settings are frozen, with what is in them', async (t) => {
  const { settings, sources } = load({})
  t.ok(Object.isFrozen(settings))
  t.ok(Object.isFrozen(settings.roles))
  t.ok(Object.isFrozen(settings.openTopics))
  t.ok(Object.isFrozen(sources))
})

t.test('roles are a list with commas, or all', async (t) => {
  t.same(load({ flags: { roles: 'api' } }).settings.roles, ['api'])
  t.same(load({ flags: { roles: 'broker, api' } }).settings.roles, ['broker', 'api'])
  t.same(load({ environment: { PARLEY_ROLES: 'all' } }).settings.roles, ['broker', 'api', 'jobs'])
  for (const roles of ['', 'api,api', 'king', ',']) {
    t.same(problemsOf({ flags: { roles } }).length, 1, JSON.stringify(roles))
  }
})

t.test('each bad value is named with its source and what it must be', async (t) => {
  const problems = problemsOf({
    flags: { mqttPort: '70000', config: 'p.json' },
    environment: { PARLEY_HTTP_PORT: '0x10', PARLEY_LOG_LEVEL: 'loud', PARLEY_HOTS: 'x' },
    readFile: fileWith({ windowEntriesMax: 100, hots: 1, data: 7, appendWaitMs: '100' }),
  })
  t.same(
    [...problems].sort(),
    [
      "'hots' in p.json is not a setting",
      '--mqtt-port must be an integer from 0 to 65535, not "70000"',
      'PARLEY_HOTS is not a setting',
      'PARLEY_HTTP_PORT must be an integer from 0 to 65535, not "0x10"',
      'PARLEY_LOG_LEVEL must be one of silent, fatal, error, warn, info, debug, trace, not "loud"',
      'appendWaitMs (file p.json) must be an integer from 100 to 3600000, not "100"',
      'data (file p.json) must be a text that is not empty, not 7',
      'windowEntriesMax (file p.json) must be one of 16, 32, 64, 128, 256, 512, 1024, 2048, ' +
        '4096, 8192, 16384, not 100',
    ].sort(),
  )
})

t.test('numbers that are none are refused', async (t) => {
  for (const text of ['', ' 1', '-1', '1.5', '1e3', 'NaN', 'Infinity', '99999999999999999999']) {
    t.equal(problemsOf({ flags: { cursorFlushMs: text } }).length, 1, JSON.stringify(text))
  }
  t.equal(load({ flags: { cursorFlushMs: '0010' } }).settings.cursorFlushMs, 10)
})

t.test('values that contradict each other are refused', async (t) => {
  const contradictions: readonly Record<string, string>[] = [
    { payloadBytesMax: '65536', packetBytesMax: '67583' },
    { payloadBytesMax: '1', packetBytesMax: '8192', preConnectBytesMax: '8193' },
    { appendQueueMax: '499' },
    { appendQueueBytesMax: '65536', payloadBytesMax: '65537' },
    { mqttPort: '8080' },
  ]
  for (const flags of contradictions) {
    t.equal(problemsOf({ flags }).length, 1, JSON.stringify(flags))
  }
  const fitting: readonly Record<string, string>[] = [
    { payloadBytesMax: '65536', packetBytesMax: '67584' },
    { appendQueueMax: '500' },
    { mqttPort: '0', httpPort: '0' },
    { mqttPort: '8080', roles: 'api' },
  ]
  for (const flags of fitting) t.same(problemsOf({ flags }), [], JSON.stringify(flags))
})

t.test('open topics are filters of plain topics', async (t) => {
  t.same(load({ flags: { openTopics: 't/#' } }).settings.openTopics, ['t/#'])
  t.same(load({ flags: { openTopics: 't/a, t/+/b' } }).settings.openTopics, ['t/a', 't/+/b'])
  t.same(load({ environment: { PARLEY_OPEN_TOPICS: 'none' } }).settings.openTopics, [])
  const readFile = fileWith({ openTopics: ['t/#'] })
  t.same(load({ flags: { config: 'p' }, readFile }).settings.openTopics, ['t/#'])
  for (const openTopics of ['u/#', 't', '+/a', 't/a#', 't/#,g/team/msg', 'all', ',']) {
    const problem = /^(openTopics|--open-topics) must be a list of filters below t/
    t.match(problemsOf({ flags: { openTopics } }), [problem])
  }
})

t.test('everything is open to anonymous only, and only where strangers are not', async (t) => {
  const trusted = { openTopics: '#', anonymous: 'true' }
  t.match(load({ flags: trusted }).settings, { openTopics: ['#'], anonymous: true })
  const refused: readonly (readonly [Record<string, string>, RegExp])[] = [
    [{ openTopics: '#' }, /needs anonymous/],
    [{ anonymous: 'true' }, /needs openTopics #/],
    [{ anonymous: 'true', openTopics: 't/#' }, /needs openTopics #/],
    [{ ...trusted, openTopics: '#,t/#' }, /stands alone/],
    [{ ...trusted, anonymous: 'yes' }, /must be true or false, not "yes"/],
  ]
  for (const [flags, problem] of refused) {
    const problems = problemsOf({ flags })
    t.match(problems, [problem], JSON.stringify(flags))
    t.equal(problems.length, 1)
  }
  for (const host of ['127.0.0.1', '::1', 'localhost', '10.1.2.3', '172.31.0.1', '192.168.1.1']) {
    t.same(problemsOf({ flags: { ...trusted, host } }), [], host)
  }
  for (const host of ['0.0.0.0', '::', '172.32.0.1', '8.8.8.8', '2001:db8::1', 'example.org']) {
    t.match(problemsOf({ flags: { ...trusted, host } }), [/would let everybody in/], host)
    const forced = { ...trusted, host, anonymousAnywhere: 'true' }
    t.same(problemsOf({ flags: forced }), [], `${host}, forced`)
  }
  t.same(problemsOf({ flags: { host: '0.0.0.0', openTopics: 't/#' } }), [])
})

t.test('a bad value adds no contradiction that is not there', async (t) => {
  t.equal(problemsOf({ flags: { packetBytesMax: 'x' } }).length, 1)
  t.equal(problemsOf({ flags: { packetBytesMax: 'x', mqttPort: '8080' } }).length, 2)
})

t.test('a file that cannot be read, is not JSON or no object is refused', async (t) => {
  const flags = { config: 'p.json' }
  t.match(problemsOf({ flags }), [/p\.json cannot be read \(ENOENT\)/])
  t.match(problemsOf({ flags, readFile: () => '{' }), [/p\.json is not JSON/])
  for (const text of ['[]', 'null', '3']) {
    t.match(problemsOf({ flags, readFile: () => text }), [/must hold one JSON object/])
  }
  t.match(problemsOf({ flags, readFile: () => '{"__proto__":{"host":"x"}}' }), [/__proto__/])
})

t.test('the admin token is a secret, has no flag, and is not shown when it is bad', async (t) => {
  const token = 'a-token-that-is-long'
  const { settings } = load({ environment: { PARLEY_ADMIN_TOKEN: token } })
  t.equal(settings.adminToken?.reveal(), token)
  t.notMatch(JSON.stringify(settings), token)
  t.equal(problemsOf({ flags: { adminToken: token } }).length, 1)
  const problems = problemsOf({ environment: { PARLEY_ADMIN_TOKEN: 'too-short' } })
  t.same(problems, ['PARLEY_ADMIN_TOKEN must be at least 16 characters, not [secret]'])
})

t.test('variables that are empty or belong to something else are left alone', async (t) => {
  const environment = {
    PARLEY_HOST: '',
    PARLEY_TOKEN: 'x',
    PARLEY_REQUIRE_ALL: '1',
    PARLEY_PYTHON: 'python3',
    PARLEY_SERVICE_HOST: '10.0.0.1',
    PARLEY_SERVICE_PORT_MQTT: '1883',
    PARLEY_PORT: 'tcp://10.0.0.1:1883',
    PARLEY_PORT_1883_TCP_ADDR: '10.0.0.1',
    HOST: 'other',
  }
  t.equal(load({ environment }).settings.host, '127.0.0.1')
  t.same(problemsOf({ environment: { PARLEY_PORT: '1883' } }), ['PARLEY_PORT is not a setting'])
})

t.test('lists of networks and of origins hold nothing else, and may be empty', async (t) => {
  const { settings } = load({
    flags: { limitsExempt: '10.0.0.0/8, 2001:db8::/32', allowedOrigins: 'https://chat.example' },
  })
  t.same(settings.limitsExempt, ['10.0.0.0/8', '2001:db8::/32'])
  t.same(settings.allowedOrigins, ['https://chat.example'])
  t.same(load({}).settings.limitsExempt, ['127.0.0.0/8', '::1'])
  t.same(load({ flags: { limitsExempt: 'none' } }).settings.limitsExempt, [])
  for (const limitsExempt of ['localhost', '10.0.0.0/33', '10.0.0.0/8,', 'all']) {
    t.match(problemsOf({ flags: { limitsExempt } }), [/^limitsExempt must be a list of addresses/])
  }
  for (const allowedOrigins of ['*', 'chat.example', 'https://a/', 'https://A', 'https://a:443']) {
    t.match(problemsOf({ flags: { allowedOrigins } }), [
      /^allowedOrigins must be a list of origins/,
    ])
  }
  for (const origin of ['http://localhost:3000', 'capacitor://localhost', 'https://[::1]:8443']) {
    t.same(load({ flags: { allowedOrigins: origin } }).settings.allowedOrigins, [origin])
  }
})
