// Histories of the theme 'normal'; theme.ts says what goes wrong in them.

import t from 'tap'
import { historiesMsMax, runHistories } from './run.ts'
import { themes } from './theme.ts'

t.setTimeout(historiesMsMax)

t.test('2,600 normal histories', async (t) => {
  t.same(await runHistories(2600, { theme: themes.normal }), undefined)
})
