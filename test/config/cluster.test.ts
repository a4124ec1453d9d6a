// The settings of a cluster: what belongs together, and that URLs, which hold passwords, are
// hidden.

import t from 'tap'
import { isClustered } from '../../config/cluster.ts'
import { loadSettings, SettingsError } from '../../config/load.ts'

const urls = {
  MONGODB_URL: 'mongodb://app:mongo-password@db/parley',
  REDIS_URL: 'redis://:redis-password@cache:6379',
}

function load(environment: Record<string, string>, flags: Record<string, string> = {}) {
  return loadSettings({ flags, environment, readFile: () => '{}' }).settings
}

function problemsOf(...input: Parameters<typeof load>): readonly string[] {
  try {
    load(...input)
  } catch (error) {
    if (error instanceof SettingsError) return error.problems
    throw error
  }
  return []
}

t.test('a process is one of a cluster when it has both URLs', async (t) => {
  t.notOk(isClustered(load({})))
  const settings = load(urls)
  t.ok(isClustered(settings))
  t.equal(settings.mongodbUrl?.reveal(), urls.MONGODB_URL)
  t.equal(settings.redisUrl?.reveal(), urls.REDIS_URL)
  t.notMatch(JSON.stringify(settings), /password/)
})

t.test('one URL without the other is refused, and none is shown', async (t) => {
  const { MONGODB_URL, REDIS_URL } = urls
  for (const environment of [{ MONGODB_URL }, { REDIS_URL }]) {
    t.same(problemsOf(environment), ['MONGODB_URL and REDIS_URL go together: a cluster needs both'])
  }
  t.match(problemsOf({ BUS_REDIS_URLS: REDIS_URL }), [/^BUS_REDIS_URLS is of a cluster/])
})

t.test('the trusted mode has no cluster', async (t) => {
  const flags = { anonymous: 'true', openTopics: '#' }
  t.same(problemsOf({}, flags), [])
  t.match(problemsOf(urls, flags), [/^anonymous, the trusted mode, is of one process/])
})
