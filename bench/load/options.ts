// The flags of the load generator: their defaults and their meaning, in one table.

/** A load, as the flags describe it. Durations are in ms. Templates take `{i}`, the number of the
 * pair or group, and `{m}`, that of the member. Plain data, so that it travels between threads. */
export interface LoadOptions {
  readonly addr: string
  readonly mode: string
  readonly n: number
  readonly groups: number
  readonly members: number
  readonly inflight: number
  readonly rate: number
  readonly dur: number
  readonly warm: number
  readonly count: number
  readonly qos: number
  readonly size: number
  readonly user: string
  readonly pass: string
  readonly users: string
  readonly 'cid-send': string
  readonly 'cid-recv': string
  readonly pub: string
  readonly sub: string
  readonly body: string
  readonly pid: string
  readonly hold: number
  readonly drain: number
  readonly persistent: boolean
  readonly conc: number
  readonly stalled: boolean
  readonly workers: number
}

type Name = keyof LoadOptions

/** Default and meaning of each flag. A default that ends in `s` is a duration. */
const flags: { readonly [Key in Name]: readonly [string, string] } = {
  addr: ['127.0.0.1:1883', 'broker host:port; a comma list spreads the clients'],
  mode: ['pair', 'pair | group | idle | offline'],
  n: ['50', 'pairs, or connections'],
  groups: ['10', 'groups'],
  members: ['50', 'members of a group'],
  inflight: ['10', 'unacknowledged publishes of a sender (closed loop)'],
  rate: ['0', 'messages/s in total (open loop); 0: closed loop'],
  dur: ['10s', 'measured time'],
  warm: ['2s', 'warm-up'],
  count: ['100', 'offline: messages for each receiver'],
  qos: ['1', 'QoS of publish and subscribe: 0 or 1'],
  size: ['100', 'text bytes'],
  user: ['', 'user name template'],
  pass: ['', 'password template'],
  users: ['', 'file of user<TAB>password; line k is for client k, senders first, then receivers'],
  'cid-send': ['s{i}', 'client id template of senders'],
  'cid-recv': ['r{i}-{m}', 'client id template of receivers'],
  pub: ['u/r{i}/msg', 'publish topic template'],
  sub: ['u/r{i}/msg', 'subscribe filter template'],
  body: ['{"id":"{id}","text":"{mark}"}', 'payload template'],
  pid: ['', 'process ids of the broker, by commas, for RSS and CPU'],
  hold: ['5s', 'idle: time held'],
  drain: ['60s', 'longest wait for stragglers'],
  persistent: ['false', 'receivers connect with clean session false'],
  conc: ['50', 'concurrent connects'],
  stalled: ['false', 'receivers stop reading once they have subscribed'],
  workers: ['1', 'threads'],
}

/** Reads `-name value`, `--name value`, `-name=value`, and `-name` of a switch. Throws an Error
 * that says which flag is wrong. */
export function readOptions(words: readonly string[]): LoadOptions {
  const given = new Map<string, string>()
  for (let index = 0; index < words.length; index++) {
    const [, name = '', inline] = /^--?([a-z-]+)(?:=(.*))?$/s.exec(words[index] as string) ?? []
    if (!Object.hasOwn(flags, name)) throw new Error(`there is no flag ${words[index]}`)
    const isSwitch = flags[name as Name][0] === 'false'
    const value = inline ?? (isSwitch ? 'true' : words[++index])
    if (value === undefined) throw new Error(`-${name} needs a value`)
    given.set(name, value)
  }
  const entries = Object.entries(flags).map(([name, [standard]]) => [
    name,
    parse(name, given.get(name) ?? standard, standard),
  ])
  return Object.fromEntries(entries) as LoadOptions
}

/** The flags, one a line. */
export function describeOptions(): string {
  return Object.entries(flags)
    .map(([name, [standard, meaning]]) => `  -${name.padEnd(11)}${meaning} (${standard || 'none'})`)
    .join('\n')
}

function parse(name: string, value: string, standard: string): string | number | boolean {
  if (standard === 'false') return value === 'true'
  if (/^\d+s$/.test(standard)) return parseDuration(name, value)
  if (!/^\d+$/.test(standard)) return value
  const number = Number(value)
  if (value === '' || !(number >= 0)) throw new Error(`-${name} must be a number, not ${value}`)
  return number
}

function parseDuration(name: string, value: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(value) ?? []
  if (number === undefined) throw new Error(`-${name} must be like 500ms, 10s or 1m, not ${value}`)
  return Number(number) * (unit === 'ms' ? 1 : unit === 's' ? 1000 : 60_000)
}
