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

/** Parley's figure divided by another contender's. */
export function ratio(text: string, figure: string, other: string, bound: Bound): Wanted {
  return {
    text,
    ...limits(bound),
    measure(figuresOf) {
      const [own, others] = [figuresOf('parley')?.[figure], figuresOf(other)?.[figure]]
      return own === undefined || others === undefined ? undefined : own / others
    },
  }
}

/** A figure of Parley by itself. */
export function value(text: string, figure: string, bound: Bound): Wanted {
  return { text, ...limits(bound), measure: (figuresOf) => figuresOf('parley')?.[figure] }
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
