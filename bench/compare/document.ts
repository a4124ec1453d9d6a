// docs/benchmarks.md: what people wrote stays, what a run found stands between two markers.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'

const begin = '<!-- results: written by npm run bench -->'
const end = '<!-- end of results -->'

/** Puts the results into the document, in place of earlier ones. */
export function insertResults(document: string, results: string): string {
  const block = `${begin}\n\n${results.trim()}\n\n${end}`
  const [from, to] = [document.indexOf(begin), document.indexOf(end)]
  if (from < 0 || to < from) return `${document.trimEnd()}\n\n${block}\n`.trimStart()
  return document.slice(0, from) + block + document.slice(to + end.length)
}

/** Saves the results in a document, which is made if need be. */
export function saveResults(file: string, results: string): void {
  const document = existsSync(file) ? readFileSync(file, 'utf8') : '# Benchmarks\n'
  writeFileSync(file, insertResults(document, results))
}
