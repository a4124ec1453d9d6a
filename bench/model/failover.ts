// A broker dies: a simulation with a seed, in steps of 0.1 s. Its clients come back, HAProxy gives
// each to the broker with the fewest connections, and a broker admits them as its limits say
// (`broker/doors/admission.ts`). Who is refused waits longer each time.

import { makeRandom } from '../../test/fault/random.ts'

export interface FailoverOptions {
  /** Before one dies; 2 or more. */
  readonly brokers: number
  /** Of each. */
  readonly connections: number
  /** `connectsPerSecond` and `connectsBurst`. */
  readonly perSecond: number
  readonly burst: number
  readonly seed: number
}

export interface Failover {
  /** New connections of the survivors. */
  readonly gainedLeast: number
  readonly gainedMost: number
  /** Most that one survivor admitted within a second. */
  readonly inOneSecond: number
  /** Refusals, for each client. */
  readonly refusedEach: number
  /** When 99 of 100 clients were admitted, and when all were, s. */
  readonly mostBackSeconds: number
  readonly allBackSeconds: number
}

const stepsPerSecond = 10
const stepsMax = 3600 * stepsPerSecond
/** Clients wait up to a second, then up to twice as long after each refusal: a moment chosen by
 * chance, s. */
const firstWaitSeconds = 1
const waitSecondsMax = 60

interface Survivor {
  gained: number
  left: number
  /** What it had gained at the end of each of the last steps. */
  readonly history: number[]
}

/** Kills one. Throws an Error when its clients are not back within an hour. */
export function loseBroker(options: FailoverOptions): Failover {
  const { brokers, connections, perSecond, burst, seed } = options
  const next = makeRandom(seed)
  const survivors = Array.from(
    { length: brokers - 1 },
    (): Survivor => ({ gained: 0, left: burst, history: [0] }),
  )
  /** Clients by the step in which they try: how often each was refused. */
  const tries = new Map<number, number[]>()
  const tryLater = (step: number, refusals: number) => {
    const longest = Math.min(waitSecondsMax, firstWaitSeconds * 2 ** refusals)
    const at = step + 1 + Math.floor(next() * longest * stepsPerSecond)
    tries.set(at, [...(tries.get(at) ?? []), refusals])
  }
  for (let client = 0; client < connections; client++) tryLater(0, 0)

  let [back, refused, inOneSecond, mostBackSeconds] = [0, 0, 0, 0]
  for (let step = 1; step <= stepsMax; step++) {
    for (const survivor of survivors) {
      survivor.left = Math.min(burst, survivor.left + perSecond / stepsPerSecond)
    }
    for (const refusals of tries.get(step) ?? []) {
      const chosen = choose(survivors, next)
      if (admit(chosen)) back++
      else {
        refused++
        tryLater(step, refusals + 1)
      }
    }
    tries.delete(step)
    inOneSecond = Math.max(inOneSecond, ...survivors.map(endStep))
    if (mostBackSeconds === 0 && back >= connections * 0.99) mostBackSeconds = step / stepsPerSecond
    if (back < connections) continue
    const gained = survivors.map((survivor) => survivor.gained)
    return {
      gainedLeast: Math.min(...gained),
      gainedMost: Math.max(...gained),
      ...{ inOneSecond, mostBackSeconds },
      refusedEach: refused / connections,
      allBackSeconds: step / stepsPerSecond,
    }
  }
  throw new Error(`${connections - back} clients are not back after an hour`)
}

/** `leastconn`; among equals by chance. All had the same number before. */
function choose(survivors: readonly Survivor[], next: () => number): Survivor {
  const fewest = Math.min(...survivors.map(({ gained }) => gained))
  const equal = survivors.filter(({ gained }) => gained === fewest)
  return equal[Math.floor(next() * equal.length)] as Survivor
}

function admit(survivor: Survivor): boolean {
  if (survivor.left < 1) return false
  survivor.left--
  survivor.gained++
  return true
}

/** Returns what the survivor gained within the last second. */
function endStep({ gained, history }: Survivor): number {
  history.push(gained)
  if (history.length > stepsPerSecond + 1) history.shift()
  return gained - (history[0] ?? 0)
}
