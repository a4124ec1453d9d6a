// The product's version. package.json is the only place that states it.

import { readFileSync } from 'node:fs'

/** The version of package.json, which lies two folders above the compiled file. */
export const version: string = readVersion()

function readVersion(): string {
  const file = new URL('../../package.json', import.meta.url)
  const content: unknown = JSON.parse(readFileSync(file, 'utf8'))
  const isObject = typeof content === 'object' && content !== null && 'version' in content
  return isObject ? String(content.version) : 'unknown'
}
