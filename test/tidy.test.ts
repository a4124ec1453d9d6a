// The plain rules of the code base, checked over every source file. Each rule is first shown a
// planted fault, so that a rule that cannot fail is noticed.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { sourceFolders } from './tidy/layers.ts'
import { rules, type SourceFile } from './tidy/rules.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

function sourceFiles(): readonly SourceFile[] {
  const folders = sourceFolders.filter((folder) => existsSync(join(root, folder)))
  const paths = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(
      (name) => `${folder}/${name.replaceAll('\\', '/')}`,
    ),
  )
  return paths
    .filter((path) => path.endsWith('.ts'))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

const files = sourceFiles()

t.test('the rules see the source files', async (t) => {
  for (const path of ['protocol/ids.ts', 'cli/main.ts', 'test/tidy.test.ts']) {
    t.ok(
      files.some((file) => file.path === path),
      path,
    )
  }
})

for (const rule of rules) {
  t.test(`${rule.title}, and the rule can fail`, async (t) => {
    for (const file of rule.broken) {
      t.not(rule.faults(file).length, 0, `refuses ${JSON.stringify(file.text.slice(0, 60))}`)
    }
    for (const file of rule.sound) {
      t.same(rule.faults(file), [], `takes ${JSON.stringify(file.text.slice(0, 60))}`)
    }
    const faults = files.flatMap((file) =>
      rule.faults(file).map((fault) => `${file.path}: ${fault}`),
    )
    t.same(faults, [])
  })
}
