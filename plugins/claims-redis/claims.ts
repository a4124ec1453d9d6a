// Which broker has which device, in Redis: `parley:device:<user>/<device>` holds its claim and ends
// by itself, `parley:broker:<broker>` is there while the broker lives. Nothing depends on it: who
// asks in vain does not wait, and what Redis forgot is restored at the next renewal.

import type { Redis } from 'ioredis'
import type { ClaimStore } from '../../services/delivery/ports.ts'

interface ClaimsParts {
  /** A connection of the use `commands`. */
  readonly redis: Redis
  /** This broker's id. */
  readonly broker: string
}

export interface RedisClaims extends ClaimStore {
  /** Stops saying that this broker lives. */
  close(): Promise<void>
}

/** How long a claim lasts without being renewed, ms: three times `renewMs` of the directory. */
const claimMs = 180_000
/** How often a broker says that it lives, and how long it is believed, ms. */
const beatMs = 1000
const aliveMs = 3000

const claimScript = `
local before = redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'GET')
if not before then return false end
local broker = string.match(before, '^[^/]*')
if redis.call('EXISTS', 'parley:broker:' .. broker) == 0 then return false end
return before`

/** Of two claims the younger one holds; of two of the same time, the greater text. */
const renewScript = `
local function age(claim) return tonumber(string.match(claim, '(%d+)$')) or 0 end
local lost = {}
for i, key in ipairs(KEYS) do
  local mine = ARGV[i + 1]
  local other = redis.call('GET', key)
  local isMine = not other or other == mine or age(other) < age(mine)
  if other and age(other) == age(mine) then isMine = other <= mine end
  if isMine then redis.call('SET', key, mine, 'PX', ARGV[1]) else table.insert(lost, i - 1) end
end
return lost`

const releaseScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`

/** Makes the store of claims, and begins to say that this broker lives. */
export function makeRedisClaims({ redis, broker }: ClaimsParts): RedisClaims {
  const aliveKey = `parley:broker:${broker}`
  const beat = () => {
    // In vain while Redis is away.
    if (redis.status === 'ready') redis.set(aliveKey, '1', 'PX', aliveMs).catch(() => {})
  }
  redis.on('ready', beat)
  beat()
  const timer = setInterval(beat, beatMs)
  timer.unref()

  return {
    async claim(device, claim) {
      const before = await redis.eval(claimScript, 1, keyOf(device), claim, claimMs).catch(nothing)
      return typeof before === 'string' ? before : undefined
    },
    async renew(claims) {
      if (claims.length === 0) return []
      const keys = claims.map(({ device }) => keyOf(device))
      const values = claims.map(({ claim }) => claim)
      const lost = await redis
        .eval(renewScript, keys.length, ...keys, claimMs, ...values)
        .catch(nothing)
      return Array.isArray(lost) ? (lost as number[]) : []
    },
    release(device, claim) {
      redis.eval(releaseScript, 1, keyOf(device), claim).catch(nothing)
    },
    async close() {
      clearInterval(timer)
      redis.off('ready', beat)
      await redis.del(aliveKey).catch(nothing)
    },
  }
}

function keyOf(device: string): string {
  return `parley:device:${device}`
}

function nothing(): undefined {}
