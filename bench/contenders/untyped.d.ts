// Types of packages of the contenders that come without.

declare module 'aedes-persistence-redis' {
  import type { Redis } from 'ioredis'

  function makePersistence(options: { readonly conn: Redis }): object
  export = makePersistence
}
