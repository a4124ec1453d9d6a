// Histories of the theme 'restarts'; theme.ts says what goes wrong in them.

import t from 'tap'
import { historiesMsMax, runHistories } from './run.ts'
import { themes } from './theme.ts'

t.setTimeout(historiesMsMax)

t.test('2,600 restarts histories', async (t) => {
  t.same(await runHistories(2600, { theme: themes.restarts }), undefined)
})
