// The sequencer on Redis: a counter for each conversation beside the name of its life. What is
// asked in one turn goes to Redis as one command. A counter that is not there is born at the log's
// head; Redis may forget it at any moment, because nothing depends on what it says.

import type { Redis } from 'ioredis'
import { StoreFailure } from '../../protocol/failure.ts'
import type { PositionStore, Reservation, Sequencer } from '../../services/log/positions/ports.ts'

export interface RedisSequencerParts {
  /** A connection on which commands fail soon when Redis is away. */
  readonly redis: Redis
  /** The heads of conversations whose counters are to be born. */
  readonly heads: PositionStore['heads']
  /** The name of a life: never the same twice. */
  readonly makeEpoch: () => string
}

/** A counter that is not used for so long is forgotten, s. */
const counterTtlSeconds = 86_400
/** Most conversations of one command: it keeps Redis busy for about a millisecond. */
const conversationsMax = 500

/** `parley:seq:<conversation>`: a hash of `n`, the newest position that was reserved, and `e`,
 * the name of the counter's life. It goes a day after its last use. KEYS: those; ARGV: lifetime,
 * name of lives that begin now, then for each key how many positions, and the log's head or -1
 * when it is not known. Returns for each key the first position and the life, or 0 where the
 * head is needed. */
const reserveScript = `
local answers = {}
for i, key in ipairs(KEYS) do
  local count, head = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
  local epoch = redis.call('HGET', key, 'e')
  if not epoch and head >= 0 then
    epoch = ARGV[2]
    redis.call('HSET', key, 'n', head, 'e', epoch)
  end
  if epoch then
    local last = redis.call('HINCRBY', key, 'n', count)
    redis.call('EXPIRE', key, ARGV[1])
    answers[2 * i - 1], answers[2 * i] = last - count + 1, epoch
  else
    answers[2 * i - 1], answers[2 * i] = 0, ''
  end
end
return answers`

/** KEYS: a counter; ARGV: lifetime, name of a life that begins now, head. */
const raiseScript = `
local n = tonumber(redis.call('HGET', KEYS[1], 'n'))
if not n then redis.call('HSET', KEYS[1], 'n', ARGV[3], 'e', ARGV[2])
elseif n < tonumber(ARGV[3]) then redis.call('HSET', KEYS[1], 'n', ARGV[3]) end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1`

/** ioredis with the two scripts as commands. */
interface Scripts {
  parleyReserve(keys: number, ...rest: (string | number)[]): Promise<(number | string)[]>
  parleyRaise(key: string, ...rest: (string | number)[]): Promise<number>
}

/** A reservation that waits for the command of its turn. */
interface Waiting {
  readonly conversation: string
  readonly count: number
  readonly resolve: (reservation: Reservation) => void
  readonly reject: (error: unknown) => void
}

export function makeRedisSequencer({ redis, heads, makeEpoch }: RedisSequencerParts): Sequencer {
  redis.defineCommand('parleyReserve', { lua: reserveScript })
  redis.defineCommand('parleyRaise', { numberOfKeys: 1, lua: raiseScript })
  const scripts = redis as unknown as Scripts
  let waiting: Waiting[] = []

  const ask = async (group: readonly Waiting[], knownHeads: readonly number[]) => {
    const keys = group.map(({ conversation }) => keyOf(conversation))
    const rest = group.flatMap(({ count }, n) => [count, knownHeads[n] ?? -1])
    const all = [...keys, counterTtlSeconds, makeEpoch(), ...rest]
    const answers = await scripts.parleyReserve(keys.length, ...all)
    return group.filter(({ resolve }, n) => {
      const epoch = String(answers[2 * n + 1])
      if (epoch !== '') resolve({ first: Number(answers[2 * n]), epoch })
      return epoch === ''
    })
  }

  const serve = async (group: readonly Waiting[]) => {
    try {
      const unborn = await ask(group, [])
      if (unborn.length === 0) return
      await ask(unborn, await heads(unborn.map(({ conversation }) => conversation)))
    } catch (error) {
      const failure = asFailure(error)
      for (const { reject } of group) reject(failure)
    }
  }

  const serveAll = () => {
    const all = waiting
    waiting = []
    for (let from = 0; from < all.length; from += conversationsMax) {
      void serve(all.slice(from, from + conversationsMax))
    }
  }

  return {
    reserve: (conversation, count) =>
      new Promise((resolve, reject) => {
        waiting.push({ conversation, count, resolve, reject })
        if (waiting.length === 1) setImmediate(serveAll)
      }),
    async raise(conversation, head) {
      try {
        await scripts.parleyRaise(keyOf(conversation), counterTtlSeconds, makeEpoch(), head)
      } catch (error) {
        throw asFailure(error)
      }
    },
  }
}

function keyOf(conversation: string): string {
  return `parley:seq:${conversation}`
}

/** Whatever Redis answers may pass: it is full, is loading, has become a replica, is away. */
function asFailure(error: unknown): StoreFailure {
  if (error instanceof StoreFailure) return error
  return new StoreFailure(`the sequencer does not answer: ${(error as Error).message}`, error)
}
