// What is done in Redis in one step, in Lua: queues of devices, room for retained messages, wills.
//
// Of each device there are (behind the connection's key prefix, by its client id):
//   order:<id>     sorted set: the messages that wait, `<broker>:<counter>`, by their place
//   messages:<id>  hash: each of them: what it counts for, a header and the payload, in lines
//   sent:<id>      hash: those that were sent: their packet id, behind an `r` after PUBREC
//   expiries:<id>  sorted set: those that were not sent, by when they are over, if ever
//   info:<id>      hash: owner (the connection that has the device), next (packet id), place, bytes
// and `bytes` counts all queues. They are removed with the session; what Redis forgets is lost.

import type { Redis } from 'ioredis'

type Argument = string | number | Buffer

/** Scripts as commands of a connection: keys, then arguments. */
interface Scripts {
  /** member, message, bytes, when it is over or '', now, messagesMax, bytesMax, bytesInAllMax,
   * packet id or ''. 1: it waits, 0: the queue is full, -1: there is no room in all. */
  plainEnqueue(...args: Argument[]): Promise<number>
  /** owner, member, its state, what stands for it from now on or ''. 1: done, 0: it does not wait,
   * -1: another connection has the device. */
  plainSent(...args: Argument[]): Promise<number>
  /** owner, member, whether only if it was not sent. As `plainSent`. */
  plainDrop(...args: Argument[]): Promise<number>
  /** owner. What was kept: nothing, or the next packet id and what was sent. */
  plainArrive(...args: Argument[]): Promise<string[] | null>
  /** owner, next packet id. */
  plainDepart(...args: Argument[]): Promise<number>
  plainForget(...args: Argument[]): Promise<number>
  /** topic, bytes, when it is over or '', now, retainedMax, retainedBytesMax. Whether there is
   * room: the caller stores the message, or removes the one before. */
  plainRetain(...args: Argument[]): Promise<number>
  /** Fields of wills. Removes them, of whatever broker. */
  plainDropWills(...args: Argument[]): Promise<number>
  /** from broker, field, to broker, field, will. Whether the will was there. */
  plainMoveWill(...args: Argument[]): Promise<number>
}

const dropOne = `
local order, messages, sent, expiries, info, all = unpack(KEYS)
local function drop(member)
  local message = redis.call('HGET', messages, member)
  if not message then return 0 end
  local bytes = tonumber(string.match(message, '^%d+'))
  redis.call('ZREM', order, member)
  redis.call('HDEL', messages, member)
  redis.call('HDEL', sent, member)
  redis.call('ZREM', expiries, member)
  redis.call('HINCRBY', info, 'bytes', -bytes)
  redis.call('DECRBY', all, bytes)
  return 1
end
local function isOthers(owner)
  local now = redis.call('HGET', info, 'owner')
  return now and now ~= owner
end
`

const enqueue = `${dropOne}
local member, message, bytes, expiry, now = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local function isFull()
  if redis.call('ZCARD', order) >= tonumber(ARGV[6]) then return true end
  return tonumber(redis.call('HGET', info, 'bytes') or '0') + bytes > tonumber(ARGV[7])
end
if redis.call('HEXISTS', messages, member) == 1 then return 1 end
if isFull() then
  for _, over in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', now, 'LIMIT', 0, 1000)) do
    drop(over)
  end
end
if isFull() then return 0 end
if tonumber(redis.call('GET', all) or '0') + bytes > tonumber(ARGV[8]) then return -1 end
redis.call('ZADD', order, redis.call('HINCRBY', info, 'place', 1), member)
redis.call('HSET', messages, member, message)
redis.call('HINCRBY', info, 'bytes', bytes)
redis.call('INCRBY', all, bytes)
if ARGV[9] ~= '' then redis.call('HSET', sent, member, ARGV[9])
elseif expiry ~= '' then redis.call('ZADD', expiries, expiry, member) end
return 1`

const markSent = `${dropOne}
if isOthers(ARGV[1]) then return -1 end
local member = ARGV[2]
local message = redis.call('HGET', messages, member)
if not message then return 0 end
redis.call('HSET', sent, member, ARGV[3])
redis.call('ZREM', expiries, member)
if ARGV[4] ~= '' then
  redis.call('HSET', messages, member, ARGV[4])
  local function bytesOf(it) return tonumber(string.match(it, '^%d+')) end
  local more = bytesOf(ARGV[4]) - bytesOf(message)
  redis.call('HINCRBY', info, 'bytes', more)
  redis.call('INCRBY', all, more)
end
return 1`

const dropMember = `${dropOne}
if isOthers(ARGV[1]) then return -1 end
if ARGV[3] == '1' and redis.call('HEXISTS', sent, ARGV[2]) == 1 then return 0 end
return drop(ARGV[2])`

const arrive = `
local sent, info = KEYS[3], KEYS[5]
local isKnown = redis.call('EXISTS', info) == 1
redis.call('HSET', info, 'owner', ARGV[1])
if not isKnown then return false end
local answer = redis.call('HGETALL', sent)
table.insert(answer, 1, redis.call('HGET', info, 'next') or '')
return answer`

const depart = `
if redis.call('HGET', KEYS[5], 'owner') ~= ARGV[1] then return 0 end
return redis.call('HSET', KEYS[5], 'next', ARGV[2])`

const forget = `
local bytes = redis.call('HGET', KEYS[5], 'bytes')
if bytes then redis.call('DECRBY', KEYS[6], bytes) end
return redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[7])`

/** `retained` is the hash of the package; beside it what each counts for, when it is over, and the
 * sum. */
const retain = `
local retained, sizes, expiries, total = unpack(KEYS)
local topic, bytes = ARGV[1], tonumber(ARGV[2])
local function drop(it)
  local size = redis.call('HGET', sizes, it)
  if size then redis.call('DECRBY', total, size) end
  redis.call('HDEL', sizes, it)
  redis.call('ZREM', expiries, it)
end
local function remove(it)
  drop(it)
  redis.call('HDEL', retained, it)
end
local function isFull()
  if redis.call('HLEN', sizes) >= tonumber(ARGV[5]) then return true end
  return tonumber(redis.call('GET', total) or '0') + bytes > tonumber(ARGV[6])
end
drop(topic)
if bytes == 0 then redis.call('HDEL', retained, topic) return 1 end
if isFull() then
  for _, it in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', ARGV[4], 'LIMIT', 0, 1000)) do
    remove(it)
  end
end
if isFull() then return 0 end
redis.call('HSET', sizes, topic, bytes)
redis.call('INCRBY', total, bytes)
if ARGV[3] ~= '' then redis.call('ZADD', expiries, ARGV[3], topic) end
return 1`

/** Wills are in `wills:<broker>`, a hash for each broker; `will-brokers` lists these. */
const dropWills = `
local dropped = 0
for _, broker in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  dropped = dropped + redis.call('HDEL', KEYS[2] .. broker, unpack(ARGV))
end
return dropped`

const moveWill = `
if redis.call('HDEL', KEYS[2] .. ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('SADD', KEYS[1], ARGV[3])
redis.call('HSET', KEYS[2] .. ARGV[3], ARGV[4], ARGV[5])
return 1`

const scripts: Readonly<Record<keyof Scripts, { numberOfKeys: number; lua: string }>> = {
  plainEnqueue: { numberOfKeys: 6, lua: enqueue },
  plainSent: { numberOfKeys: 6, lua: markSent },
  plainDrop: { numberOfKeys: 6, lua: dropMember },
  plainArrive: { numberOfKeys: 6, lua: arrive },
  plainDepart: { numberOfKeys: 6, lua: depart },
  plainForget: { numberOfKeys: 7, lua: forget },
  plainRetain: { numberOfKeys: 4, lua: retain },
  plainDropWills: { numberOfKeys: 2, lua: dropWills },
  plainMoveWill: { numberOfKeys: 2, lua: moveWill },
}

/** A connection that has the scripts. */
export type Connection = Redis & Scripts

/** All keys of plain topics begin with it. */
const keyPrefix = 'parley:plain:'
/** Opens a connection like `redis`, with the scripts and the prefix. */
export function connectScripts(redis: Redis): Connection {
  const connection = redis.duplicate({ keyPrefix, enableAutoPipelining: false })
  for (const [name, script] of Object.entries(scripts)) connection.defineCommand(name, script)
  // A script that Redis does not have is sent again as a whole, and so after what followed it.
  connection.on('ready', () => {
    for (const { lua } of Object.values(scripts)) connection.script('LOAD', lua).catch(ignore)
  })
  return connection as Connection
}

function ignore(): void {}
