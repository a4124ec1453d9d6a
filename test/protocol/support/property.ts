// Property tests in tap: a property that holds is one assertion, one that does not prints the
// smallest counterexample and the seed that finds it again.

import fc from 'fast-check'

interface Tester {
  pass(message: string): unknown
  fail(message: string): unknown
}

/** Checks a property on `runs` random inputs. The seed can be set with PARLEY_TEST_SEED. */
export function holds<Input>(t: Tester, property: fc.IProperty<Input>, runs = 300): void {
  const { seed, ...details } = fc.check(property, { numRuns: runs, ...seedOption() })
  if (!details.failed) return void t.pass(`holds for ${details.numRuns} inputs`)
  const example = fc.stringify(details.counterexample)
  t.fail(`seed ${seed}: fails for ${example.slice(0, 2000)}: ${reasonOf(details.errorInstance)}`)
}

function seedOption(): { seed?: number } {
  const seed = Number(process.env.PARLEY_TEST_SEED)
  return Number.isInteger(seed) && seed !== 0 ? { seed } : {}
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'the property is false'
}

/** A text as the title of an assertion: some line ends of Unicode break tap's own output. */
export function titleOf(text: string): string {
  const escaped = JSON.stringify(text).replaceAll(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return escaped.slice(0, 60)
}
