// The plain rules of the code base, each a function from one file to its faults, with a file that
// breaks it and one that nearly does: the test proves with them that the rule can fail.

import { layeringFaults } from './layers.ts'

/** A file of the repository; `path` is relative to its root, with slashes. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

export interface Rule {
  /** What holds in every file, as a sentence. */
  readonly title: string
  readonly faults: (file: SourceFile) => readonly string[]
  /** Files that break the rule. */
  readonly broken: readonly SourceFile[]
  /** Files that look as if, and do not. */
  readonly sound: readonly SourceFile[]
}

const linesMax = 400
const lineLengthMax = 100
/** May read the environment: the program, and what stands outside the product. */
const environmentReaders = /^(cli|test|bench|scripts)\//
/** Must be given time and randomness. */
const pureFolders = /^(protocol|config|services|broker)\//
const clockFile = 'protocol/clock.ts'

/** The code without lines that are comments as a whole. */
function codeOf(text: string): string {
  return text.replaceAll(/^[ \t]*(\/\/|\/\*|\*).*$/gm, '')
}

/** A rule that no line of code may match. */
function never(pattern: RegExp, what: string): Rule['faults'] {
  return ({ text }) => (pattern.test(codeOf(text)) ? [what] : [])
}

function file(path: string, text: string): SourceFile {
  return { path, text }
}

const sizeRules: readonly Rule[] = [
  {
    title: `a file has at most ${linesMax} lines`,
    faults: ({ text }) => {
      const lines = text.trimEnd().split('\n').length
      return lines > linesMax ? [`${lines} lines`] : []
    },
    broken: [file('cli/a.ts', 'a\n'.repeat(linesMax + 1))],
    sound: [file('cli/a.ts', 'a\n'.repeat(linesMax))],
  },
  {
    title: `a line has at most ${lineLengthMax} characters`,
    faults: ({ text }) =>
      text
        .split('\n')
        .map((line, index) => ({ length: [...line].length, number: index + 1 }))
        .filter(({ length }) => length > lineLengthMax)
        .map(({ length, number }) => `line ${number} has ${length} characters`),
    broken: [file('cli/a.ts', `a\n${'a'.repeat(lineLengthMax + 1)}`)],
    sound: [file('cli/a.ts', 'ä'.repeat(lineLengthMax))],
  },
]

const formRules: readonly Rule[] = [
  {
    title: 'a file begins with a comment that says its job',
    faults: ({ text }) => {
      const body = text.replace(/^#!.*\n/, '')
      return /^\/\/ \S.{15}/.test(body) ? [] : ['no comment at its head']
    },
    broken: [file('cli/a.ts', "import 'x'\n"), file('cli/a.ts', '// short\nimport x\n')],
    sound: [file('cli/a.ts', '#!/usr/bin/env node\n// The program that does it all.\n')],
  },
  {
    title: 'nothing is exported as default',
    faults: never(/^export default\b|^export\b[^'=]*\bas default\b/m, 'a default export'),
    broken: [
      file('cli/a.ts', 'export default 1\n'),
      file('cli/a.ts', 'const a = 1\nexport { a as default }\n'),
    ],
    sound: [file('cli/a.ts', '// export default 1\nexport const standard = 1\n')],
  },
  {
    title: 'nothing is exported from another file: there are no barrels',
    faults: never(/^export\b[^'"=]*\bfrom '/m, 'an export of what another file defines'),
    broken: [
      file('cli/a.ts', "export * from './b.ts'\n"),
      file('cli/a.ts', "export {\n  b,\n} from './b.ts'\n"),
      file('cli/a.ts', "export type { B } from './b.ts'\n"),
    ],
    sound: [file('cli/a.ts', "import { b } from './b.ts'\nexport const from = 'here'\n")],
  },
]

const purityRules: readonly Rule[] = [
  {
    title: 'only the command line reads the environment',
    faults: (source) =>
      environmentReaders.test(source.path)
        ? []
        : never(/\bprocess\.env\b|\benv\b.*from 'node:process'/, 'reads process.env')(source),
    broken: [
      file('services/log/log.ts', 'const a = process.env.A\n'),
      file('config/load.ts', "import { env } from 'node:process'\n"),
    ],
    sound: [
      file('cli/main.ts', 'const a = process.env.A\n'),
      file('config/load.ts', '  // process.env\n'),
    ],
  },
  {
    title: 'time and randomness are passed in',
    faults: (source) =>
      !pureFolders.test(source.path) || source.path === clockFile
        ? []
        : never(/\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b/, 'reads time or chance')(source),
    broken: [
      file('services/log/log.ts', 'const at = Date.now()\n'),
      file('protocol/ids.ts', 'const at = new Date()\n'),
      file('broker/publish.ts', 'const chance = Math.random()\n'),
    ],
    sound: [
      file('protocol/clock.ts', 'export const systemClock = () => Date.now()\n'),
      file('services/log/log.ts', 'const day = new Date(at)\n'),
      file('bench/load.ts', 'const at = Date.now()\n'),
    ],
  },
  {
    title: 'a file imports from its own folder or a lower rank',
    faults: ({ path, text }) => layeringFaults(path, codeOf(text)),
    broken: [
      file('protocol/ids.ts', "import type { Settings } from '../config/schema.ts'\n"),
      file('config/load.ts', "const a = await import('../services/log/log.ts')\n"),
      file('services/log/log.ts', "import { a } from '../../plugins/bus-memory/bus.ts'\n"),
      file('services/log/log.ts', "import { a } from '../http/http.ts'\n"),
      file('plugins/bus-memory/bus.ts', "import '../store-sqlite/store.ts'\n"),
      file('plugins/bus-memory/bus.ts', "import {\n  a,\n} from '../../broker/doors/listen.ts'\n"),
      file('broker/listen.ts', "import type { A } from '../cli/wire.ts'\n"),
      file('cli/main.ts', "import { a } from '../scripts/documents.ts'\n"),
      file('cli/main.ts', "import { a } from './program.js'\n"),
      file('cli/main.ts', "import a from '../package.json' with { type: 'json' }\n"),
    ],
    sound: [
      file('config/load.ts', "import { isId } from '../protocol/ids.ts'\n"),
      file('services/http/http.ts', "import { a } from '../auth/tokens.ts'\n"),
      file('services/http/routes/a.ts', "import { a } from '../http.ts'\n"),
      file('plugins/bus-memory/bus.ts', "import type { A } from '../../services/log/ports.ts'\n"),
      file('broker/edge/a.ts', "import { a } from '../listen.ts'\nimport { b } from 'aedes'\n"),
      file('test/cli/a.test.ts', "import { a } from '../../scripts/documents.ts'\n"),
    ],
  },
]

/** All rules. */
export const rules: readonly Rule[] = [...sizeRules, ...formRules, ...purityRules]
