// Writes the documents that are printed from the code: `node build/scripts/print-docs.js`.

import { writeFileSync } from 'node:fs'
import { printedDocuments } from './documents.ts'

const root = new URL('../../', import.meta.url)
for (const [path, text] of printedDocuments()) writeFileSync(new URL(path, root), text)
