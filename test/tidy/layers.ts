// The layering: which folder may import from which. The ranks are those of ARCHITECTURE.md.

import { posix } from 'node:path'

/** Top folders by rank; a file imports from its own folder or from a lower rank. */
const ranks: Readonly<Record<string, number>> = {
  protocol: 0,
  config: 1,
  services: 2,
  plugins: 3,
  broker: 4,
  cli: 5,
  test: 6,
  bench: 6,
  docs: 6,
  scripts: 6,
}
/** What stands outside the product, may import anything, and is imported by nothing below. */
const outsideRank = 6

/** Which service may import which other. */
const siblings: Readonly<Record<string, readonly string[]>> = {
  access: ['conversations', 'delivery'],
  delivery: ['bus', 'conversations', 'jobs', 'log'],
  http: ['auth', 'conversations', 'log', 'metrics', 'receipts'],
  log: ['metrics'],
  receipts: ['bus', 'conversations', 'delivery', 'log'],
}

/** The folders of the source files. */
export const sourceFolders: readonly string[] = Object.keys(ranks)

/** The imports of a file that break the layering. `code` is its text without comments. */
export function layeringFaults(path: string, code: string): readonly string[] {
  const whole = code.matchAll(/^(?:import|export)\b[^'=]*'(\.[^']*)'/gm)
  const dynamic = code.matchAll(/\bimport\(\s*'(\.[^']*)'\s*\)/g)
  return [...whole, ...dynamic].flatMap(([, specifier = '']) => importFault(path, specifier))
}

function importFault(path: string, specifier: string): readonly string[] {
  if (!specifier.endsWith('.ts')) return [`imports ${specifier}, which does not end in .ts`]
  const target = posix.join(posix.dirname(path), specifier)
  const [from = '', to = ''] = [topFolder(path), topFolder(target)]
  const [fromRank = -1, toRank = Number.POSITIVE_INFINITY] = [ranks[from], ranks[to]]
  if (fromRank === outsideRank || toRank < fromRank) return []
  if (to !== from) return [`imports ${target}, which is above it`]
  const [service, other] = [path.split('/')[1] ?? '', target.split('/')[1] ?? '']
  if (service === other) return []
  if (from === 'plugins') return [`imports ${target}, of another plugin`]
  if (from !== 'services' || siblings[service]?.includes(other)) return []
  return [`imports ${target}; the list of siblings does not allow it`]
}

function topFolder(path: string): string {
  return path.split('/')[0] ?? ''
}
