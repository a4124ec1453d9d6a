// Passwords: hashes and compares them with scrypt (RFC 7914) in node's thread pool, a few at a
// time, because each takes 32 MiB. It knows no users and keeps no password.

import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { Refusal } from '../../protocol/errors.ts'

/** Shortest and longest password, in characters (Unicode code points after NFC). */
export const passwordLengthMin = 8
export const passwordLengthMax = 256

/** Cost of a new hash: 32 MiB and 267 ms on a shared 2-core machine (2026-11); a row of the OWASP
 * Password Storage Cheat Sheet, section scrypt. Stored hashes name their cost, so it can be changed
 * here at any time. */
const cost = { logN: 15, blockSize: 8, parallelization: 3 } as const
const saltBytes = 16
const hashBytes = 32

/** What a stored hash may ask for; a damaged row must not take all memory. */
const logNMax = 17
const blockSizeMax = 16
const parallelizationMax = 8

/** Hashes that run at once: 2 of the 4 threads of node's pool, so that files and names are still
 * served. */
const hashesAtOnceMax = 2
/** Hashes that may wait for their turn: about 9 s of work. */
const waitingMax = 64

interface Cost {
  readonly logN: number
  readonly blockSize: number
  readonly parallelization: number
}

export interface Passwords {
  /** Hashes a password with a new salt, as `$scrypt$ln=15,r=8,p=3$<salt>$<hash>` (PHC string
   * format). Throws `Refusal('invalid-request')` when its length is out of bounds, and
   * `Refusal('rate-limited')` when too many hashes wait already. */
  hash(password: string): Promise<string>
  /** Whether the password is the one of this hash. Without a hash (no such user, or a user without
   * a password) it takes as long and says no. Throws `Refusal('rate-limited')` like `hash`. */
  verify(password: string, stored: string | null | undefined): Promise<boolean>
}

/** Makes the hasher, with a queue of its own. */
export function makePasswords(): Passwords {
  const takeTurn = makeTurns()
  const decoy = { cost, salt: randomBytes(saltBytes), hash: randomBytes(hashBytes) }

  return {
    async hash(password) {
      const normal = checkedPassword(password)
      const salt = randomBytes(saltBytes)
      const hash = await takeTurn(() => derive(normal, salt, cost))
      const { logN, blockSize, parallelization } = cost
      const named = `ln=${logN},r=${blockSize},p=${parallelization}`
      return `$scrypt$${named}$${encode(salt)}$${encode(hash)}`
    },

    async verify(password, stored) {
      // No hash was ever made of a longer one; the answer does not depend on the user.
      if (lengthOf(password) > passwordLengthMax) return false
      const known = typeof stored === 'string' ? parseHash(stored) : decoy
      const hash = await takeTurn(() => derive(password.normalize('NFC'), known.salt, known.cost))
      return timingSafeEqual(hash, known.hash) && known !== decoy
    },
  }
}

function checkedPassword(password: string): string {
  const length = lengthOf(password)
  if (length < passwordLengthMin || length > passwordLengthMax) {
    const bounds = `${passwordLengthMin} to ${passwordLengthMax}`
    throw new Refusal('invalid-request', `A password has ${bounds} characters.`)
  }
  return password.normalize('NFC')
}

/** Code points of the NFC form; keyboards differ in how they compose accents (RFC 8265). */
function lengthOf(password: string): number {
  // Normalizing costs time in proportion to its length, so an absurd one is not normalized.
  if (password.length > passwordLengthMax * 8) return password.length
  return [...password.normalize('NFC')].length
}

function derive(password: string, salt: Buffer, { logN, ...rest }: Cost): Promise<Buffer> {
  const cost = 2 ** logN
  const maxmem = 256 * cost * rest.blockSize
  const options: ScryptOptions = { cost, maxmem, ...rest }
  return new Promise((resolve, reject) => {
    scrypt(password, salt, hashBytes, options, (error, hash) => {
      if (error) reject(error)
      else resolve(hash)
    })
  })
}

/** Reads a stored hash. Zero as a parameter would mean node's default, so it is no parameter. */
function parseHash(stored: string): { cost: Cost; salt: Buffer; hash: Buffer } {
  const parts =
    /^\$scrypt\$ln=(\d{1,2}),r=([1-9]\d?),p=([1-9]\d?)\$([\w+/]{8,})\$([\w+/]{43})$/.exec(stored)
  if (parts === null) throw new Error('a stored password hash is malformed')
  const [, logN, blockSize, parallelization, salt = '', hash = ''] = parts
  const cost = {
    logN: Number(logN),
    blockSize: Number(blockSize),
    parallelization: Number(parallelization),
  }
  const isTooCostly =
    cost.logN > logNMax ||
    cost.blockSize > blockSizeMax ||
    cost.parallelization > parallelizationMax
  if (isTooCostly) throw new Error('a stored password hash is too costly to check')
  return { cost, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') }
}

/** Base64 without padding, as the PHC string format wants it. */
function encode(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}

/** Runs at most `hashesAtOnceMax` tasks at a time, in their order. */
function makeTurns(): <T>(task: () => Promise<T>) => Promise<T> {
  let running = 0
  const waiting: (() => void)[] = []
  return async (task) => {
    if (running < hashesAtOnceMax) running++
    else if (waiting.length >= waitingMax) {
      throw new Refusal('rate-limited', 'Too many passwords are being checked; try again soon.')
    } else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await task()
    } finally {
      // The turn goes straight to the next in line, so nobody who comes later can take it.
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }
}
