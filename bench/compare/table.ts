// The results as text: a table of medians for each case, and under it what was wanted and whether
// it was reached.

import type { Contender } from '../contenders/contender.ts'
import type { Figures } from '../load/report.ts'
import { judge, type Verdict } from './case.ts'
import type { CaseResult } from './rounds.ts'

/** Markdown of all cases. */
export function formatResults(
  results: readonly CaseResult[],
  contenders: readonly Contender[],
): string {
  return results.map((result) => formatCase(result, contenders)).join('\n')
}

function formatCase(result: CaseResult, contenders: readonly Contender[]): string {
  const { of, medians, failures } = result
  const columns = of.columns.filter(({ figure }) =>
    [...medians.values()].some((figures) => figures[figure] !== undefined),
  )
  const rows = contenders.flatMap(({ name }) => {
    const figures = medians.get(name)
    if (figures === undefined) return []
    return [[name, ...columns.map((column) => cell(figures, column))]]
  })
  const verdicts = of.wanted.map((wanted) => judge(wanted, (name) => medians.get(name)))
  return [
    `### ${of.title}`,
    '',
    ...table([`\`${of.name}\``, ...columns.map(({ title }) => title)], rows),
    '',
    ...table(['wanted', 'limit', 'measured', ''], verdicts.map(verdictRow)),
    '',
    ...failures.map((failure) => `- failed: ${failure}`),
    ...(failures.length > 0 ? [''] : []),
  ].join('\n')
}

function cell(
  figures: Figures,
  { figure, digits }: { readonly figure: string; readonly digits: number },
): string {
  const value = figures[figure]
  if (value === undefined) return ''
  return value.toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  })
}

function verdictRow({ text, bound, limit, measured, outcome }: Verdict): string[] {
  const shown = measured === undefined ? '' : String(Number(measured.toPrecision(3)))
  return [text, `${bound} ${limit}`, shown, outcome === 'missed' ? '**missed**' : outcome]
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    line(head),
    line(head.map((_, index) => (index === 0 ? '---' : '---:'))),
    ...rows.map(line),
  ]
}
