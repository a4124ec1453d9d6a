// One after the other, by key: the connections of one device are opened and closed in turn.

import type { DeviceName } from './ports.ts'

/** Runs `work` when all earlier work of the same key has ended. Resolves or rejects as `work`
 * does. */
export type WithLock = <Result>(key: string, work: () => Promise<Result>) => Promise<Result>

interface Line {
  last: Promise<unknown>
  length: number
}

/** Makes locks; a key costs memory only while work of it waits or runs. */
export function makeLocks(): WithLock {
  const lines = new Map<string, Line>()
  return async (key, work) => {
    const line = lines.get(key) ?? { last: Promise.resolve(), length: 0 }
    lines.set(key, line)
    line.length++
    const result = line.last.then(work, work)
    line.last = result
    try {
      return await result
    } finally {
      if (--line.length === 0) lines.delete(key)
    }
  }
}

/** The key of a device; `/` cannot occur in an id. */
export function deviceKey({ user, device }: DeviceName): string {
  return `${user}/${device}`
}

/** The device of a key. */
export function deviceOfKey(key: string): DeviceName {
  const end = key.indexOf('/')
  return { user: key.slice(0, end), device: key.slice(end + 1) }
}
