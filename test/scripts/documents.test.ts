// The printed documents are what the code says.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { settingDescriptions } from '../../config/descriptions.ts'
import { errorCatalogue } from '../../protocol/errors.ts'
import { printedDocuments } from '../../scripts/documents.ts'
import { metricCatalogue } from '../../services/metrics/catalogue.ts'

const root = new URL('../../../', import.meta.url)

for (const [path, text] of printedDocuments()) {
  t.test(`${path} is as printed (else: node build/scripts/print-docs.js)`, async (t) => {
    t.equal(readFileSync(new URL(path, root), 'utf8'), text)
  })
}

t.test('every setting, error and metric stands in its document', async (t) => {
  const documents = printedDocuments()
  const settings = documents.get('docs/config.md') ?? ''
  for (const { key, variable } of settingDescriptions) {
    t.match(settings, `| \`${key}\` |`)
    t.match(settings, `\`${variable}\``)
  }
  const errors = documents.get('docs/errors.md') ?? ''
  for (const code of Object.keys(errorCatalogue)) t.match(errors, `| \`${code}\` |`)
  const metrics = documents.get('docs/metrics.md') ?? ''
  for (const name of Object.keys(metricCatalogue)) t.match(metrics, `| \`${name}\` |`)
})
