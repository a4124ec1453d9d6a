// Who a worker thread connects as: the clients of the load that fall to it, with their addresses,
// names and passwords, and a way to do something for many of them at a time.

import { readFileSync } from 'node:fs'
import type { ClientOptions } from './client.ts'
import type { LoadOptions } from './options.ts'
import { fill } from './templates.ts'

/** Which part of the load a thread carries: every `of`-th sender, with its receivers. */
export interface Share {
  readonly index: number
  readonly of: number
}

type Role = 'sender' | 'receiver'

/** A client by its pair or group and its number therein. */
export interface Place {
  readonly i: number
  readonly m: number
}

type Address = Pick<ClientOptions, 'host' | 'port' | 'buffer' | 'clientId' | 'user' | 'password'>

export interface Population {
  /** The pairs or groups that fall to this thread. */
  readonly mine: readonly number[]
  /** How to connect as a client. */
  address(role: Role, place: Place): Address
  /** Does the work for each item, `conc` of all threads at a time. Rejects with the first failure,
   * after what had begun has ended. */
  forEach<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void>
}

/** Everything that is read of one socket at a time. */
const readBytes = 64 * 1024

/** `senders` is the number of pairs or groups, each with `members` receivers. */
export function makePopulation(
  options: LoadOptions,
  share: Share,
  { senders, members }: { readonly senders: number; readonly members: number },
): Population {
  const addresses = options.addr.split(',').map(parseAddress)
  const users = options.users === '' ? undefined : readUsers(options.users)
  const buffer = Buffer.allocUnsafe(readBytes)
  const mine: number[] = []
  for (let i = share.index; i < senders; i += share.of) mine.push(i)

  return {
    mine,
    address(role, { i, m }) {
      const k = role === 'sender' ? i : senders + i * members + m
      const known = users?.[k % users.length]
      return {
        ...(addresses[k % addresses.length] as { host: string; port: number }),
        buffer,
        clientId: fill(options[role === 'sender' ? 'cid-send' : 'cid-recv'], i, m),
        user: known?.user ?? fill(options.user, i, m),
        password: known?.password ?? fill(options.pass, i, m),
      }
    },
    async forEach(items, work) {
      const queue = items.values()
      let failure: unknown
      const runner = async (): Promise<void> => {
        for (const item of queue) {
          if (failure !== undefined) return
          await work(item).catch((error: unknown) => {
            failure ??= error
          })
        }
      }
      const runners = Math.max(1, Math.ceil(options.conc / share.of))
      await Promise.all(Array.from({ length: runners }, runner))
      if (failure !== undefined) throw failure
    },
  }
}

function parseAddress(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) }
}

function readUsers(file: string): { readonly user: string; readonly password: string }[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return lines.map((line) => {
    const [user = '', password = ''] = line.split('\t')
    return { user, password }
  })
}
