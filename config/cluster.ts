// What settings of a cluster must have in common. Looks at what was resolved, and not yet hidden.

import type { Settings } from './schema.ts'

/** What is wrong with the URLs of a cluster. A value that was refused is undefined, and adds no
 * second problem. */
export function clusterProblems(settings: Settings): string[] {
  const { mongodbUrl, redisUrl, busRedisUrls, anonymous, workers = '1' } = settings
  const problems: string[] = []
  if ((mongodbUrl === undefined) !== (redisUrl === undefined)) {
    problems.push('MONGODB_URL and REDIS_URL go together: a cluster needs both')
  }
  if (busRedisUrls !== undefined && redisUrl === undefined) {
    problems.push('BUS_REDIS_URLS is of a cluster, which needs REDIS_URL and MONGODB_URL')
  }
  if (anonymous && redisUrl !== undefined) {
    problems.push('anonymous, the trusted mode, is of one process: it has no cluster')
  }
  if (workers !== '1' && redisUrl === undefined && mongodbUrl === undefined) {
    problems.push(
      `workers ${workers} needs a cluster, REDIS_URL and MONGODB_URL: one process at a time uses ` +
        'a data folder',
    )
  }
  return problems
}

/** Whether this process is one of a cluster. */
export function isClustered({ mongodbUrl }: Pick<Settings, 'mongodbUrl'>): boolean {
  return mongodbUrl !== undefined
}
