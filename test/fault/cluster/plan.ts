// What will go wrong, and when: drawn from a seed, so that a run can be repeated. Pure.

import { makeRandom } from '../random.ts'

/** What can be harmed. At most one fault at a time befalls each. */
type Target = 'redis' | 'mongo' | 'broker 0' | 'broker 1' | 'broker 2'

export type FaultKind =
  | 'kill broker'
  | 'stop broker'
  | 'pause broker'
  | 'cut clients'
  | 'cut broker off Redis'
  | 'kill Redis'
  | 'pause Redis'
  | 'flush Redis'
  | 'kill primary'
  | 'pause primary'
  | 'step down'
  | 'slow MongoDB'

export interface Fault {
  /** After the beginning of the run. */
  readonly atMs: number
  readonly kind: FaultKind
  readonly target: Target
  /** How long the trouble lasts; what is killed is started again after it. */
  readonly forMs: number
}

interface Nature {
  readonly kind: FaultKind
  readonly of: 'redis' | 'mongo' | 'broker'
  /** Range of the duration, ms. */
  readonly lasts: readonly [min: number, max: number]
}

const natures: readonly Nature[] = [
  { kind: 'kill broker', of: 'broker', lasts: [200, 3000] },
  { kind: 'stop broker', of: 'broker', lasts: [200, 2000] },
  { kind: 'pause broker', of: 'broker', lasts: [500, 6000] },
  { kind: 'cut clients', of: 'broker', lasts: [50, 1000] },
  { kind: 'cut broker off Redis', of: 'broker', lasts: [500, 5000] },
  { kind: 'kill Redis', of: 'redis', lasts: [100, 4000] },
  { kind: 'pause Redis', of: 'redis', lasts: [500, 5000] },
  { kind: 'flush Redis', of: 'redis', lasts: [0, 0] },
  { kind: 'kill primary', of: 'mongo', lasts: [500, 5000] },
  { kind: 'pause primary', of: 'mongo', lasts: [500, 6000] },
  { kind: 'step down', of: 'mongo', lasts: [0, 0] },
  { kind: 'slow MongoDB', of: 'mongo', lasts: [1000, 5000] },
]

/** Time a target is left alone after a fault of it. */
const recoveryMs: Readonly<Record<Nature['of'], number>> = {
  redis: 1000,
  broker: 2500,
  mongo: 5000,
}

/** Brokers that may be in trouble at the same time, so that one is left. */
const troubledBrokersMax = 2

/** Draws the faults of a run of so many milliseconds: every kind once before any comes again. */
export function makePlan(seed: number, runMs: number): readonly Fault[] {
  const random = makeRandom(seed)
  const between = ([min, max]: readonly [number, number]) =>
    Math.round(min + random() * (max - min))
  const plan: Fault[] = []
  const freeAt = new Map<Target, number>()
  let deck: Nature[] = []
  for (let atMs = 2000; ; atMs += between([800, 3200])) {
    if (deck.length === 0) deck = shuffled(natures, random)
    const nature = deck.find((it) => pickTarget(it, freeAt, { atMs, random }) !== undefined)
    if (nature === undefined) continue
    const target = pickTarget(nature, freeAt, { atMs, random }) as Target
    const forMs = between(nature.lasts)
    if (atMs + forMs > runMs) return plan
    deck = deck.filter((it) => it !== nature)
    freeAt.set(target, atMs + forMs + recoveryMs[nature.of])
    plan.push({ atMs, kind: nature.kind, target, forMs })
  }
}

function pickTarget(
  { of }: Nature,
  freeAt: ReadonlyMap<Target, number>,
  { atMs, random }: { readonly atMs: number; readonly random: () => number },
): Target | undefined {
  const isFree = (target: Target) => (freeAt.get(target) ?? 0) <= atMs
  if (of !== 'broker') return isFree(of) ? of : undefined
  const free = (['broker 0', 'broker 1', 'broker 2'] as const).filter(isFree)
  if (free.length <= 3 - troubledBrokersMax) return undefined
  return free[Math.floor(random() * free.length)]
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const shuffled = [...items]
  for (let index = shuffled.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1))
    const item = shuffled[index] as Item
    shuffled[index] = shuffled[other] as Item
    shuffled[other] = item
  }
  return shuffled
}
