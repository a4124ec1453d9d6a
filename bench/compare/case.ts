// What a case of the benchmark is: a load, who carries it, what of it is shown, and what is wanted.

import type { Contender, Population, RunningContender } from '../contenders/contender.ts'
import type { Figures } from '../load/report.ts'

export interface Case {
  readonly name: string
  readonly title: string
  /** Names of the contenders that take part. */
  readonly contenders: readonly string[]
  readonly population: Population
  readonly columns: readonly Column[]
  readonly wanted: readonly Wanted[]
  /** Puts the load on the contender and returns what was measured. */
  run(bench: Bench): Promise<Figures>
}

/** A running contender and the means to load it. */
export interface Bench {
  readonly contender: Contender
  readonly running: RunningContender
  /** Counts from 0. */
  readonly round: number
  /** Measured time of a load, and the warm-up before it, in seconds. */
  readonly seconds: number
  readonly warmSeconds: number
  /** Runs the load program to its end and returns its figures. */
  load(words: readonly string[]): Promise<Figures>
  /** Runs our own generator beside other loads, from when it has connected until `work` is done. */
  beside<Result>(words: readonly string[], work: () => Promise<Result>): Promise<Result>
}

/** A figure in the table. */
export interface Column {
  readonly title: string
  readonly figure: string
  readonly digits: number
}

/** What is wanted of the medians. */
export interface Wanted {
  readonly text: string
  readonly limit: number
  readonly bound: 'at most' | 'at least'
  /** The measured value; undefined when a contender it needs has not run. */
  measure(figuresOf: (contender: string) => Figures | undefined): number | undefined
}

export interface Verdict {
  readonly text: string
  readonly limit: number
  readonly bound: Wanted['bound']
  /** Undefined: could not be measured in this run. */
  readonly measured: number | undefined
  readonly outcome: 'met' | 'missed' | 'not measured'
}

type Bound = { readonly atMost: number } | { readonly atLeast: number }

/** A contender's figure, Parley's as a rule, divided by another's. */
export function ratio(
  ...[text, figure, other, bound, own = 'parley']: readonly [
    text: string,
    figure: string,
    other: string,
    bound: Bound,
    own?: string,
  ]
): Wanted {
  return {
    text,
    ...limits(bound),
    measure(figuresOf) {
      const [mine, others] = [figuresOf(own)?.[figure], figuresOf(other)?.[figure]]
      return mine === undefined || others === undefined ? undefined : mine / others
    },
  }
}

/** A figure of a contender, as a rule Parley, by itself. */
export function value(
  ...[text, figure, bound, own = 'parley']: readonly [
    text: string,
    figure: string,
    bound: Bound,
    own?: string,
  ]
): Wanted {
  return { text, ...limits(bound), measure: (figuresOf) => figuresOf(own)?.[figure] }
}

function limits(bound: Bound): Pick<Wanted, 'limit' | 'bound'> {
  return 'atMost' in bound
    ? { limit: bound.atMost, bound: 'at most' }
    : { limit: bound.atLeast, bound: 'at least' }
}

/** Whether what was wanted was reached; a value that is no number has missed. */
export function judge(
  wanted: Wanted,
  figuresOf: (contender: string) => Figures | undefined,
): Verdict {
  const { text, limit, bound } = wanted
  const measured = wanted.measure(figuresOf)
  if (measured === undefined) return { text, limit, bound, measured, outcome: 'not measured' }
  const isMet = bound === 'at most' ? measured <= limit : measured >= limit
  return { text, limit, bound, measured, outcome: isMet ? 'met' : 'missed' }
}
